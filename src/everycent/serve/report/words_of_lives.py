"""The words of the page of one business id's life, in English and Chinese."""

WORDS: dict[str, tuple[str, str]] = {
    "life.title": ("The life of {}", "{} 的全流程回放"),
    "life.replay": ("Replay", "回放"),
    "life.count": ("{} events, in order of time", "共 {} 个事件，按时间排列"),
    "life.timeline": ("Timeline", "时间线"),
    "life.timeline.note": (
        "A column for each day on which something happened, a lane for each kind of event; a number says how many.",
        "有事件的每一天为一列，每类事件为一行；数字为事件数。",
    ),
    "life.events": ("All events", "全部事件"),
    "life.missing": ("What was not found", "未找到的"),
    "life.undated": ("no date", "无日期"),
    "life.when": ("When (UTC)", "时间（UTC）"),
    "life.what": ("What", "类别"),
    "life.said": ("What happened", "事件"),
    "life.model": ("Model", "模型"),
    "life.record": ("record", "单据"),
    "life.set_aside": ("set aside", "搁置"),
    "life.charge": ("charge", "计费明细"),
    "life.held_charge": ("held charge", "挂起的计费"),
    "life.obligation": ("obligation", "清算明细"),
    "life.statement": ("statement", "结算单"),
    "life.instruction": ("payment", "收付款"),
    "life.reconciled": ("reconciled", "对账"),
    "life.break": ("break", "差错"),
    "life.handled": ("break handled", "差错处理"),
}
