"""The words of the page of one business id's life, in English and Chinese."""

WORDS: dict[str, tuple[str, str]] = {
    "life.title": ("The life of {}", "{} 的全流程回放"),
}
