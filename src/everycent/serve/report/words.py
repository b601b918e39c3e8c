"""The report's words in English and Chinese; both stand in the page, the style sheet shows one."""

from html import escape

from everycent.serve.report.words_of_figures import WORDS as _OF_FIGURES
from everycent.serve.report.words_of_files import WORDS as _OF_FILES
from everycent.serve.report.words_of_lives import WORDS as _OF_LIVES

_OF_SETTLEMENT: dict[str, tuple[str, str]] = {
    "title": ("Settlement report", "结算报告"),
    "version": ("version", "版本"),
    "verified": ("Verified: every cent accounted for", "已核验：每一分钱都有着落"),
    "failed": ("Not proven: {} of {} checks failed", "未通过：{1} 项核验中有 {0} 项不符"),
    "unverified": ("Not verified yet: run “everycent verify”", "尚未核验：请运行 everycent verify"),
    "checks.held": ("{} independent checks re-added every row and agree", "{} 项独立核验逐行重算，全部相符"),
    "checks.first": ("First failure: {}", "首个不符：{}"),
    "business days": ("Business days", "业务日期"),
    "amounts in": ("All amounts in {}", "金额单位：{}"),
    # simulation
    "sim.title": ("Simulation", "模拟试算"),
    "sim.sides": ("before: {}; after: {}", "之前：{}；之后：{}"),
    "sim.differs": ("{} charges would differ, of {} records", "{1} 条单据中有 {0} 笔计费会不同"),
    "sim.parties": ("Who would gain, who would pay", "谁多得，谁多付"),
    "sim.parties.note": ("What each party is owed, less what it owes: the change.", "各结算主体应收减应付的变化。"),
    "sim.more": ("… and {} more parties", "……另有 {} 个结算主体"),
    "sim.charges": ("By charge", "按计费项"),
    "sim.bearers": ("By bearer", "按承担方"),
    "sim.records": ("Single records, those that move most first", "单据明细（变动最大者在前）"),
    "sim.before": ("before", "之前"),
    "sim.after": ("after", "之后"),
    "sim.first": ("The first of them, explained", "其中首笔的推导"),
    "bearer": ("bearer", "承担方"),
    "record": ("record", "单据"),
    # key figures
    "key.records": ("Records accepted", "已入账单据"),
    "key.charged": ("Charged", "计费总额"),
    "key.refunded": ("Refunded", "退款冲减"),
    "key.pay": ("To pay out", "应付指令"),
    "key.collect": ("To collect", "应收指令"),
    "key.open": ("In open statements", "未关账结算单"),
    "key.breaks": ("Breaks", "差错"),
    "key.aside": ("Rows set aside", "搁置行"),
    "key.instructions": ("{} instructions", "{} 笔指令"),
    "key.statements": ("{} statements", "{} 张结算单"),
    "key.obligations": ("{} obligations", "{} 条清算明细"),
    "key.compared": ("in {} rows compared", "共比对 {} 行"),
    "key.read": ("of {} rows read", "共读入 {} 行"),
    "key.share": ("{} % of what was charged", "占计费总额 {} %"),
    "key.files": ("from {} files", "来自 {} 个文件"),
    # sections
    "flow": ("Where the money goes", "资金流向"),
    "flow.note": (
        "Width is amount. From left to right: who owes, for what, to whom, and what became of it.",
        "宽度即金额。从左到右：付款方、费用、收款方、去向。",
    ),
    "flow.owes": ("WHO OWES", "付款方"),
    "flow.charge": ("FOR WHAT", "费用"),
    "flow.to": ("TO WHOM", "收款方"),
    "flow.became": ("WHAT BECAME OF IT", "去向"),
    "standing.paid": ("Paid out or to be paid", "已付或待付"),
    "standing.passed": ("Passed on to others", "转付他方"),
    "standing.kept": ("Stays with the platform", "平台留存"),
    "standing.offset": ("Set off against debts", "与所欠轧抵"),
    "standing.open": ("Waits in a statement", "结算单待结"),
    "standing.returned": ("Given back (refunds)", "退款退回"),
    "charges": ("Charges", "计费明细"),
    "recon": ("Reconciliation", "对账"),
    "recon.note": (
        "Every row of both sides is in exactly one bucket; the named differences add up to the whole difference.",
        "双方每一行恰归入一类；各类差额之和等于总差额。",
    ),
    "statements": ("Statements", "结算单"),
    "statements.payable": ("owed to parties", "应付各方"),
    "statements.receivable": ("owed by parties", "应收各方"),
    "instructions": ("Payment instructions", "收付款单"),
    "parties": ("Parties", "结算主体"),
    "intake": ("Intake", "单据接收"),
    "intake.note": (
        "Nothing is lost: every row read is accepted, a duplicate, a conflict, or in quarantine with its reason.",
        "一行不丢：每一行都是已接收、重复、冲突或隔离之一，并注明原因。",
    ),
    "held": ("Held charges", "挂起的计费"),
    "checks": ("Checks", "核验"),
    "none": ("None.", "无。"),
    "capped": ("Showing {} of {}; all of them are in {}.", "显示前 {} 行，共 {} 行；全部见 {}。"),
    "footer": (
        "Walk any cent back to its source row: everycent explain ID. Re-add everything: everycent verify.",
        "追溯任意一分钱到源数据行：everycent explain ID；重新核验全部：everycent verify。",
    ),
    # columns
    "charge": ("Charge", "费用"),
    "debtor": ("Owed by", "付款方"),
    "creditor": ("Owed to", "收款方"),
    "obligations": ("Obligations", "清算明细数"),
    "charged": ("Charged", "计费"),
    "refunded": ("Refunded", "退款"),
    "net": ("Net", "净额"),
    "total": ("Total", "合计"),
    "party": ("Party", "结算主体"),
    "role": ("Role", "角色"),
    "credit": ("Credit", "应收"),
    "debit": ("Debit", "应付"),
    "statement": ("Statement", "结算单"),
    "period": ("Period", "周期"),
    "state": ("State", "状态"),
    "due": ("Closes on", "关账日"),
    "instruction": ("Instruction", "指令"),
    "direction": ("Direction", "方向"),
    "channel": ("Channel", "渠道"),
    "account": ("Account", "账户"),
    "amount": ("Amount", "金额"),
    "file": ("File", "文件"),
    "kind": ("Record kind", "单据类型"),
    "rows.read": ("Read", "读入"),
    "outcome": ("Outcome", "结果"),
    "reason": ("Reason", "原因"),
    "rows": ("Rows", "行数"),
    "example": ("For example", "示例"),
    "bucket": ("Finding", "结论"),
    "key": ("Key", "键"),
    "place": ("Where", "位置"),
    "keys": ("Keys", "键数"),
    "left rows": ("Left rows", "左方行数"),
    "right rows": ("Right rows", "右方行数"),
    "refused": ("Rows that could not be compared", "无法比对的行"),
    "scenario": ("Scenario", "对账场景"),
    "left": ("Left side", "左方"),
    "right": ("Right side", "右方"),
    "difference": ("Difference", "差额"),
    "cause": ("What it means", "说明"),
    "check": ("Check", "核验项"),
    "first": ("First that does not add up", "首个不符"),
    "result": ("Result", "结果"),
    # values
    "pay": ("pay", "付款"),
    "collect": ("collect", "收款"),
    "share": ("share", "分账"),
    "share returned": ("share given back", "分账回退"),
    "open": ("open", "未关账"),
    "closed": ("closed", "已关账"),
    "disputed": ("disputed", "有异议"),
    "confirmed": ("confirmed", "已确认"),
    "approved": ("approved", "已审批"),
    "created": ("created", "已生成"),
    "waiting": ("waits for an account", "待账户"),
    "filed": ("in the bank file", "已入银行文件"),
    "accepted": ("accepted", "已接收"),
    "duplicate": ("duplicate", "重复"),
    "conflict": ("conflict", "冲突"),
    "quarantined": ("quarantined", "隔离"),
    "held value": ("held", "挂起"),
    "passed": ("holds", "相符"),
    "not passed": ("fails", "不符"),
    "equal": ("equal", "一致"),
    "within_tolerance": ("within tolerance", "容差内"),
    "amount_differs": ("amount differs", "金额不符"),
    "status_differs": ("status differs", "状态不符"),
    "missing_right": ("missing on the right", "右方缺失"),
    "missing_left": ("missing on the left", "左方缺失"),
    "duplicated_right": ("duplicated on the right", "右方重复"),
    "duplicated_left": ("duplicated on the left", "左方重复"),
    "matched": ("explained by a rule", "规则匹配"),
    "ambiguous": ("several explanations", "有多种解释"),
    "budget_exhausted": ("out of budget", "超出预算"),
    "only_right": ("only on the right, of no matter", "仅右方有，单向对账不计差错"),
    "in_total": ("compared in total alone", "仅总数核对"),
    "statuses": ("left: {}, right: {}", "左方：{}，右方：{}"),
}
_WORDS = _OF_SETTLEMENT | _OF_FILES | _OF_LIVES | _OF_FIGURES
assert len(_WORDS) == sum(map(len, (_OF_SETTLEMENT, _OF_FILES, _OF_LIVES, _OF_FIGURES))), "a key has one meaning"


def words(key: str, *values: object) -> tuple[str, str]:
    """The English and the Chinese text of a key; a word that is not ours stands for itself."""
    if key not in _WORDS:
        return key, key
    english, chinese = _WORDS[key]
    if not values:
        return english, chinese
    return english.format(*values), chinese.format(*values)


def counted(key: str, count: int) -> str:
    """The key of a text about so many: one thing has a text of its own."""
    return f"{key}.one" if count == 1 else key


def both(key: str, *values: object) -> str:
    """Both languages as HTML, of which the page shows one."""
    return spoken(*words(key, *values))


def spoken(english: str, chinese: str) -> str:
    """Two texts of one meaning as HTML, of which the page shows one."""
    if english == chinese:
        return escape(english)
    return f'<span data-lang="en">{escape(english)}</span><span data-lang="zh">{escape(chinese)}</span>'


def both_in_svg(key: str, *values: object) -> str:
    """Both languages as SVG text, of which the page shows one."""
    english, chinese = words(key, *values)
    return f'<tspan data-lang="en">{escape(english)}</tspan><tspan data-lang="zh">{escape(chinese)}</tspan>'
