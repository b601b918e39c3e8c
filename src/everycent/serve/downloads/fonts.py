"""Finds a font that can write a text: the one that is named, else one of those that systems come with."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from everycent.serve.downloads.refused import NoFont

#: The environment variable that names a font's file.
FONT_VARIABLE = "EVERYCENT_FONT"
#: From here on, characters are Chinese, Japanese or Korean, or stand among such.
_FIRST_CJK = 0x2E80
#: Of fonts with Chinese, and of others: the beginnings of their files' names, those that read best first.
_CJK = (
    "NotoSansCJK-Regular", "NotoSansCJKsc-Regular", "NotoSansSC-Regular", "NotoSansSC", "SourceHanSansSC-Regular",
    "SourceHanSansCN-Regular", "SourceHanSans-Regular", "PingFang", "msyh", "Hiragino Sans GB", "STHeiti",
    "wqy-microhei", "wqy-zenhei", "simhei", "simsun", "DroidSansFallback", "NotoSerifCJK-Regular",
    "NotoSerifSC", "uming",
)  # fmt: skip
_PLAIN = ("DejaVuSans.ttf", "LiberationSans-Regular", "NotoSans-Regular", "Arial.ttf", "arial.ttf", "Helvetica.ttc")
_ENDINGS = (".ttf", ".ttc", ".otf")


@dataclass(frozen=True)
class Font:
    """A font's file, and its number in a collection (.ttc)."""

    path: Path
    number: int = 0


def folders() -> list[Path]:
    """Where this system keeps fonts, those that are there."""
    home = Path.home()
    if sys.platform == "darwin":
        known = [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    elif sys.platform == "win32":
        known = [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"]
    else:
        known = [home / ".local/share/fonts", home / ".fonts", Path("/usr/local/share/fonts"), Path("/usr/share/fonts")]
    return [folder for folder in known if folder.is_dir()]


def find_font(text: str, named: Path | None, environment: Mapping[str, str]) -> Font | None:
    """A font with all characters of `text`; None where any will do. Raises NoFont.

    `named`: the one to use; else that of the environment variable, else one that is found.
    """
    wanted = {character for character in text if character.isprintable() and not character.isspace()}
    chosen = named or (Path(environment[FONT_VARIABLE]) if environment.get(FONT_VARIABLE) else None)
    if chosen is not None:
        if not chosen.is_file():
            raise NoFont(f"there is no font {chosen}; name the file of one: .ttf, .ttc or .otf")
        lacking = _lacking(Font(chosen), wanted)
        if lacking:
            raise NoFont(f"the font {chosen} has no {_some(lacking)}; name another with --font or {FONT_VARIABLE}")
        return Font(chosen)
    if all(ord(character) < 256 for character in wanted):
        return None
    for font in _found(needs_cjk=any(ord(character) >= _FIRST_CJK for character in wanted)):
        if not _lacking(font, wanted):
            return font
    raise NoFont(
        f"no font is found that can write {_some(wanted)}; install one (on Debian: apt install fonts-noto-cjk), or "
        f"name its file with --font or {FONT_VARIABLE}"
    )


def _found(*, needs_cjk: bool) -> Iterator[Font]:
    files = {
        file for folder in folders() for file in folder.rglob("*") if file.suffix.lower() in _ENDINGS and file.is_file()
    }
    for beginning in _CJK if needs_cjk else (*_PLAIN, *_CJK):
        yield from (Font(file, _simplified(file)) for file in sorted(files) if file.name.startswith(beginning))


def _simplified(file: Path) -> int:
    """The number of the font for simplified Chinese in a collection; 0 in any other file."""
    if file.suffix.lower() != ".ttc":
        return 0
    from fontTools.ttLib import TTCollection

    with TTCollection(str(file), lazy=True) as collection:
        names = [str(font["name"].getDebugName(1) or "") for font in collection.fonts]
    return next((at for at, name in enumerate(names) if name.endswith((" SC", " GB", " CN"))), 0)


def _lacking(font: Font, wanted: set[str]) -> set[str]:
    """The characters that a font has no glyph of."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(str(font.path), fontNumber=font.number, lazy=True) as opened:
            known = opened.getBestCmap() or {}
            return {character for character in wanted if ord(character) not in known}
    except (TTLibError, OSError) as error:
        raise NoFont(f"{font.path} is no font that can be read: {error}") from None


def _some(characters: set[str]) -> str:
    unusual = sorted(character for character in characters if ord(character) > 255) or sorted(characters)
    return f"'{''.join(unusual[:8])}'{' and more' if len(unusual) > 8 else ''}"
