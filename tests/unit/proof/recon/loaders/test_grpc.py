"""Rows of a real gRPC service: pages, look-ups by key, time, TLS, and a service that fails."""

import datetime as dt
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from row_service import RowService, page, row_service

from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.grpc import LOADER, GrpcWords
from everycent.proof.recon.loaders.row_source.messages import declared, messages

ROWS: list[dict[str, str | None]] = [
    {"order_id": f"A{at}", "paid": None if at == 3 else f"{at}.10", "note": "" if at % 2 else "退款"} for at in range(5)
]


@pytest.fixture
def service() -> Iterator[RowService]:
    with row_service(ROWS) as running:
        yield running


def load(service: RowService, tmp_path: Path, keys: Keys | None = None, **words: Any) -> list[dict[str, Any]]:
    environ = {"ORDERS": service.address, "TOKEN": "s3cret", "ROOTS": str(tmp_path / "roots.pem")}
    around = Surroundings(tmp_path, date(2026, 3, 1), tmp_path, environ)
    asked = GrpcWords.model_validate({"address": "ORDERS", "source": "orders", "timeout_ms": 20_000, **words})
    parts = list(LOADER.load(asked, around, keys))
    assert {part.file for part in parts} <= {"grpc:ORDERS/orders"}
    lines = [line for part in parts for line in part.lines.to_pylist()]
    assert lines == list(range(1, len(lines) + 1))
    return [row for part in parts for row in part.table.to_pylist()]


def test_pages_until_the_last(service: RowService, tmp_path: Path) -> None:
    assert load(service, tmp_path, page_rows=2, token="TOKEN") == ROWS
    assert [(asked.source, asked.as_of, asked.page) for asked in service.asked] == [
        ("orders", "2026-03-01", mark) for mark in ("", "2", "4")
    ]
    assert set(service.tokens) == {"Bearer s3cret"}


def test_rows_of_keys_alone(service: RowService, tmp_path: Path) -> None:
    keys = Keys(("order_id", "note"), [("A3", ""), ("A9", ""), ("A0", "退款"), ("A2", "")])
    assert load(service, tmp_path, keys, page_rows=1) == [ROWS[0], ROWS[3]]


def test_a_service_that_stumbles_is_asked_again(service: RowService, tmp_path: Path) -> None:
    service.faults = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED]
    assert load(service, tmp_path) == ROWS


@pytest.mark.parametrize(
    ("faults", "words", "told"),
    [
        ([grpc.StatusCode.UNAVAILABLE] * 3, {}, "the service cannot be reached, 3 times"),
        ([grpc.StatusCode.PERMISSION_DENIED], {}, "the service answered PERMISSION_DENIED"),
        ([grpc.StatusCode.UNIMPLEMENTED], {}, "the service does not offer everycent.recon.v1.RowSource"),
        ([60.0], {"timeout_ms": 100, "tries": 1}, "the service did not answer within 100 ms"),
        ([page(["a"], [{"a": "1"}], "x"), page(["a"], [], "x")], {}, "the mark of the next page, 'x', is this page's"),
        ([], {"page_rows": 1, "pages_most": 2}, "more than 2 pages"),
        ([page(["a", "a"], [{"a": "1"}])], {}, "it names a column twice: a, a"),
        (
            [
                messages().response(
                    columns=[messages().column(name="a", values=["1"]), messages().column(name="b", values=["1", "2"])]
                )
            ],
            {},
            "its columns have 1 and 2 values",
        ),
        (
            [messages().response(columns=[messages().column(name="a", values=["1"], nulls=[1])])],
            {},
            "column 'a' has no value in row 1, and has 1 rows",
        ),
    ],
)
def test_a_service_that_fails(service: RowService, tmp_path: Path, faults: Any, words: Any, told: str) -> None:
    service.faults = faults
    with pytest.raises(LinkFailed) as failed:
        load(service, tmp_path, **words)
    assert told in str(failed.value)
    assert not any(secret in str(failed.value) for secret in (service.address, "s3cret", "10.0.0.1"))


def test_an_answer_that_is_too_long(service: RowService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everycent.proof.recon.loaders.grpc._ANSWER_BYTES_MAX", 50)
    with pytest.raises(LinkFailed, match="the service answered RESOURCE_EXHAUSTED"):
        load(service, tmp_path)


def test_an_encrypted_service_is_who_its_certificate_says(tmp_path: Path) -> None:
    certificate, key = _certificate("localhost")
    (tmp_path / "roots.pem").write_bytes(certificate)
    with row_service(ROWS, credentials=grpc.ssl_server_credentials([(key, certificate)])) as service:
        assert load(service, tmp_path, tls=True, roots="ROOTS") == ROWS
        for words in ({"tls": True}, {}):  # an authority nobody knows; no encryption at all
            with pytest.raises(LinkFailed, match="the service cannot be reached"):
                load(service, tmp_path, **words, tries=1)


def test_the_messages_are_those_of_the_file(tmp_path: Path) -> None:
    folder = Path(str(files("everycent.proof.recon.loaders.row_source")))
    compiled = tmp_path / "compiled"
    assert protoc.main(["", f"-I{folder}", f"--descriptor_set_out={compiled}", "everycent_rows.proto"]) == 0
    (file,) = FileDescriptorSet.FromString(compiled.read_bytes()).file
    for message in file.message_type:
        for each in message.field:
            each.ClearField("json_name")  # worked out of the name by the compiler
    assert file == declared()


def _certificate(name: str) -> tuple[bytes, bytes]:
    """One that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    how = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(*how)
