"""The words on a downloaded statement, in English and Chinese."""

LANGUAGES = ("en", "zh")

_WORDS = {
    "title": ("Settlement statement", "结算单"),
    "party": ("Party", "结算主体"),
    "legal_entity": ("Settled by", "结算机构"),
    "period": ("Period", "结算周期"),
    "number": ("Statement no.", "结算单号"),
    "terms": ("Terms", "结算方式"),
    "net": ("net: one amount", "流水倒扣（轧差）"),
    "gross": ("gross: payable and receivable apart", "收支两线"),
    "state": ("State", "状态"),
    "open": ("open: figures may still change", "未关账：金额仍会变动"),
    "closed": ("closed", "已关账"),
    "disputed": ("disputed", "有异议"),
    "confirmed": ("confirmed", "已确认"),
    "approved": ("approved", "已审批"),
    "closes_on": ("Closes on", "关账日"),
    "closed_as_of": ("Closed as of", "关账日期"),
    "released_as_of": ("Payable from", "可付款日期"),
    "currency": ("Currency", "币种"),
    "payable": ("Owed to you", "应付贵方"),
    "receivable": ("Owed by you", "应收贵方"),
    "balance": ("Balance", "净额"),
    "carried_in": ("Carried from", "上期结转"),
    "carried_out": ("Carried to", "结转至"),
    "reserve_held": ("Held back", "暂扣准备金"),
    "reserve_released": ("Released, held back on", "释放准备金"),
    "tax_added": ("Taxes on top", "价外税"),
    "until": ("until", "至"),
    "charges": ("By charge", "费用汇总"),
    "charge": ("Charge", "费用"),
    "lines": ("Lines", "明细数"),
    "total": ("Total", "合计"),
    "paid": ("What became of it", "收付情况"),
    "side": ("Part", "项目"),
    "side.net": ("this statement", "本结算单"),
    "side.payable": ("owed to you", "应付部分"),
    "side.receivable": ("owed by you", "应收部分"),
    "amount": ("Amount", "金额"),
    "outcome": ("Outcome", "结果"),
    "instructed": ("payment instruction", "收付款单"),
    "carried": ("carried to the next closing", "结转下期"),
    "zero": ("nothing to pay", "无需收付"),
    "waiting": ("waits for an account", "待账户"),
    "created": ("to be sent", "待发送"),
    "filed": ("with the bank", "已交银行"),
    "submitted": ("sent", "已发送"),
    "processing": ("being paid", "处理中"),
    "succeeded": ("paid", "已付款"),
    "failed": ("refused", "付款失败"),
    "returned": ("came back", "已退回"),
    "unknown": ("being asked about", "查询中"),
    "parked": ("being looked into", "核查中"),
    "not yet": ("not yet", "尚未收付"),
    "details": ("Details", "明细"),
    "order": ("Order", "单据号"),
    "kind": ("Kind", "类型"),
    "booked_on": ("Booked on", "记账日"),
    "other_party": ("With", "对方"),
    "due": ("Owed to you", "应付贵方金额"),
    "only the first": (
        "Shown are the first {} of {} lines; the CSV and the XLSX have all.",
        "仅列前 {} 条，共 {} 条；全部见 CSV 或 XLSX。",
    ),
    "page": ("Page {} of {}", "第 {} 页，共 {} 页"),
}  # fmt: skip


def every_word(language: str) -> list[str]:
    """All words in a language."""
    return [both[LANGUAGES.index(language)] for both in _WORDS.values()]


def word(key: str, language: str) -> str:
    """The word in a language; one that is not ours stands for itself."""
    assert language in LANGUAGES, language
    return _WORDS[key][LANGUAGES.index(language)] if key in _WORDS else key
