"""The report: one self-contained page, and a summary for the terminal, of what a model's books say."""

from everycent.serve.report.collect import collect
from everycent.serve.report.data import Check, ReportData
from everycent.serve.report.page import render
from everycent.serve.report.summary import summary_table

__all__ = ["Check", "ReportData", "collect", "render", "summary_table"]
