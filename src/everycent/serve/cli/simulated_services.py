"""Payment services that are made up here, one for each channel of a model that takes orders one by one."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline.service import Session, plan_model
from everycent.serve.demo.payment_service import PaymentServiceSimulator, payment_simulator
from everycent.serve.payment_callbacks import Heard, receiving_payments


@dataclass(frozen=True)
class Services:
    """`environment`: where they are, by the variables that the model names. `heard`: what came of their call-backs.
    `bills`: the files that they write in the end."""

    environment: Mapping[str, str]
    simulators: Sequence[PaymentServiceSimulator]
    heard: list[Heard]
    bills: Sequence[Path]

    def deliver(self) -> None:
        """They call back."""
        for each in self.simulators:
            each.deliver()


@contextmanager
def simulated_services(session: Session, model: LoadedModel, folder: Path) -> Iterator[Services]:
    """The services while they run, with somebody who takes their call-backs; their bills are in the folder."""
    environment: dict[str, str] = {}
    simulators: list[PaymentServiceSimulator] = []
    heard: list[Heard] = []
    bills: list[Path] = []
    with ExitStack() as running:
        for channel, spec in plan_model(model, session.tenant, model.files).payments.services.items():
            secret = secrets.token_hex()
            taken = receiving_payments(session.settings, model, secret, told=heard.append, channel=channel)
            bills.append(folder / f"{channel}-bill.csv")
            simulators.append(running.enter_context(payment_simulator(secret, running.enter_context(taken), bills[-1])))
            environment |= {spec.url: simulators[-1].url, spec.secret: secret}
        yield Services(environment, simulators, heard, bills)
