"""The pipeline's commands: check a model, run it over files, test its golden cases, write its results."""

from everycent.flow.pipeline.accounting import legal_entities_of
from everycent.flow.pipeline.asked_rules import RecordTried, rules_of_record
from everycent.flow.pipeline.charging import ChargeHouse, Fees
from everycent.flow.pipeline.correcting import Wish
from everycent.flow.pipeline.cycle_events import end_by_hand
from everycent.flow.pipeline.dictionary import FactorEntry, factor_dictionary
from everycent.flow.pipeline.difference import Difference, compare
from everycent.flow.pipeline.export import export, write_table
from everycent.flow.pipeline.golden import GoldenOutcome, run_golden_cases
from everycent.flow.pipeline.inputs import Inputs, find_inputs, given_files
from everycent.flow.pipeline.ordered_pass import Ordered, rewind_from
from everycent.flow.pipeline.parked import Tried, Waits, held_in_turn, parked
from everycent.flow.pipeline.paying import PAYMENT_OTHERS, Cashier, call_back_secret, share_payments, take_call_back
from everycent.flow.pipeline.plan import ModelPlan, plan_model
from everycent.flow.pipeline.replay import Replayed, replay
from everycent.flow.pipeline.rerating import Chosen, Rerated, rerate
from everycent.flow.pipeline.rewinding import Rewound
from everycent.flow.pipeline.run import FileTaken, RunSummary, rate_parked, run
from everycent.flow.pipeline.session import Session, local_engine, open_session

__all__ = [
    "PAYMENT_OTHERS",
    "Cashier",
    "ChargeHouse",
    "Chosen",
    "Difference",
    "FactorEntry",
    "Fees",
    "FileTaken",
    "GoldenOutcome",
    "Inputs",
    "ModelPlan",
    "Ordered",
    "RecordTried",
    "Replayed",
    "Rerated",
    "Rewound",
    "RunSummary",
    "Session",
    "Tried",
    "Waits",
    "Wish",
    "call_back_secret",
    "compare",
    "end_by_hand",
    "export",
    "factor_dictionary",
    "find_inputs",
    "given_files",
    "held_in_turn",
    "legal_entities_of",
    "local_engine",
    "open_session",
    "parked",
    "plan_model",
    "rate_parked",
    "replay",
    "rerate",
    "rewind_from",
    "rules_of_record",
    "run",
    "run_golden_cases",
    "share_payments",
    "take_call_back",
    "write_table",
]
