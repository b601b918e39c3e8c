"""An import contract of our own: a context is entered by its doors, and each door says who may use it.

A house is a package whose children are contexts. `doors` names the files of a context that others may import, and from
where; a file that is not named is the context's own affair.
"""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class DoorsContract(Contract):
    """Checks direct imports: the layers contracts see to the indirect ones."""

    houses = fields.SetField(subfield=fields.StringField())
    doors = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Broken where a module outside a context imports a file of it through a door that is not its own."""
        houses: set[str] = set(self.houses)  # type: ignore[call-overload]  # a field reads as the value it was given
        guests = dict(_door(line) for line in self.doors)  # type: ignore[attr-defined]
        trespasses = sorted(
            (importer, imported, reason)
            for imported in graph.modules
            if (place := _place(imported, houses)) is not None
            for importer in graph.find_modules_that_directly_import(imported)
            if (reason := _refusal(importer, *place, guests)) is not None
        )
        return ContractCheck(kept=not trespasses, metadata={"trespasses": trespasses})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported, reason in check.metadata["trespasses"]:
            output.print_error(f"{importer} imports {imported}: {reason}")


def _door(line: str) -> tuple[str, tuple[str, ...]]:
    door, arrow, guests = line.partition(" <- ")
    assert arrow and guests, f"'{line}' is not a door; write for example: service <- everycent.serve"
    return door.strip(), tuple(guests.split())


def _place(module: str, houses: set[str]) -> tuple[str, str] | None:
    """The context that a module is in, and the file (or folder) of it; None for what is in no context."""
    for house in houses:
        inside = module.removeprefix(house + ".").split(".")
        if module.startswith(house + ".") and len(inside) > 1:
            return f"{house}.{inside[0]}", inside[1]
    return None


def _refusal(importer: str, context: str, file: str, guests: dict[str, tuple[str, ...]]) -> str | None:
    """Why `importer` may not use a file of a context; None where it may."""
    if _within(importer, context):
        return None
    if file not in guests:
        return f"'{file}' is {context}'s own affair; its doors are {', '.join(guests)}"
    if any(_within(importer, guest) for guest in guests[file]):
        return None
    return f"the door '{file}' is for {' and '.join(guests[file])}"


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")
