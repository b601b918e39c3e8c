"""The messages of everycent_rows.proto, made from their declaration: code that was generated would fit the versions of
protobuf around the one that generated it, and no others. A test compiles the file and compares.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

_PACKAGE = "everycent.recon.v1"
_FILE = "everycent_rows.proto"
#: The method, as a channel calls it.
METHOD = f"/{_PACKAGE}.RowSource/Rows"

_STRING, _UINT32, _MESSAGE = 9, 13, 11  # types and labels of FieldDescriptorProto
_ONE, _MANY = 1, 3
_FIELDS: dict[str, tuple[tuple[str, int, int, str], ...]] = {
    "RowsRequest": (
        ("source", _ONE, _STRING, ""),
        ("as_of", _ONE, _STRING, ""),
        ("page_rows", _ONE, _UINT32, ""),
        ("page", _ONE, _STRING, ""),
        ("key_columns", _MANY, _STRING, ""),
        ("keys", _MANY, _MESSAGE, "Key"),
    ),
    "Key": (("values", _MANY, _STRING, ""),),
    "RowsResponse": (("columns", _MANY, _MESSAGE, "Column"), ("next_page", _ONE, _STRING, "")),
    "Column": (("name", _ONE, _STRING, ""), ("values", _MANY, _STRING, ""), ("nulls", _MANY, _UINT32, "")),
}


@dataclass(frozen=True)
class Messages:
    """Classes of protobuf's, by the names that the file gives them."""

    request: Any  # RowsRequest
    response: Any  # RowsResponse
    key: Any
    column: Any


def declared() -> Any:
    """The file as protobuf's FileDescriptorProto. Raises ImportError without the extra `grpc`."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    file = FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, label, kind, of) in enumerate(fields, 1):
            added = message.field.add(name=field, number=number, label=label, type=kind)
            if of:
                added.type_name = f".{_PACKAGE}.{of}"
    method = file.service.add(name="RowSource").method.add(name="Rows")
    method.input_type, method.output_type = f".{_PACKAGE}.RowsRequest", f".{_PACKAGE}.RowsResponse"
    return file


@cache
def messages() -> Messages:
    """Raises ImportError without the extra `grpc`."""
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    pool = DescriptorPool()
    pool.Add(declared())
    request, key, response, column = (
        GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _FIELDS
    )
    return Messages(request, response, key, column)
