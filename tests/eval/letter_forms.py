"""Ways of hiding what has letters: WeChat names, number plates, e-mail addresses."""

from collections.abc import Callable, Sequence
from random import Random

from tests.eval.digit_forms import CIRCLED, FULL, HAN, KEYCAPS, Form, Spelled, bracketed_groups

_SMALL, _CAPITAL = ord("a"), ord("A")
_HIDDEN = ("\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad")


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _ringed(text: str) -> str:
    """Circled letters and digits."""
    shown = {chr(_SMALL + n): chr(0x24D0 + n) for n in range(26)}
    shown |= {chr(_CAPITAL + n): chr(0x24B6 + n) for n in range(26)} | CIRCLED
    return "".join(shown.get(c, c) for c in text)


def _bold(text: str) -> str:
    shown = {chr(_SMALL + n): chr(0x1D41A + n) for n in range(26)}
    shown |= {chr(_CAPITAL + n): chr(0x1D400 + n) for n in range(26)}
    shown |= {str(n): chr(0x1D7CE + n) for n in range(10)}
    return "".join(shown.get(c, c) for c in text)


def _with(table: dict[str, str], text: str) -> str:
    return "".join(table[c] if c in "0123456789" else c for c in text)


def _alike(text: str) -> str:
    return text.replace("0", "O").replace("1", "l")


def _cyrillic(text: str) -> str:
    return text.translate(str.maketrans("aeopcxyABCEHKMPTX", "аеорсхуАВСЕНКМРТХ"))


def _upper(text: str) -> str:
    return text.upper()


def _lower(text: str) -> str:
    return text.lower()


def _every(*between: str) -> Form:
    """The same sign between all characters."""
    return lambda groups, rng: [rng.choice(between).join("".join(groups))]


def _between(*between: str) -> Form:
    return lambda groups, rng: [rng.choice(between).join(groups)]


def _plain(groups: Sequence[str], _: Random) -> Spelled:
    return ["".join(groups)]


def _cut(*words: str) -> Form:
    """Words between the groups, which need not be hidden."""

    def spell(groups: Sequence[str], rng: Random) -> Spelled:
        spelled: Spelled = [groups[0]]
        for group in groups[1:]:
            spelled += [rng.choice(words), group]
        return spelled

    return spell


_WRITTEN = {
    "full-width": _wide,
    "circled": _ringed,
    "maths letters": _bold,
    "Han digits": lambda text: _with(HAN, text),
    "keycap digits": lambda text: _with(KEYCAPS, text),
    "full-width digits": lambda text: _with(FULL, text),
    "O and l": _alike,
    "Cyrillic": _cyrillic,
    "capitals": _upper,
    "small letters": _lower,
}


def _whole(write: Callable[[str], str]) -> Form:
    return lambda groups, _: [write("".join(groups))]


def _names(left_out: str) -> dict[str, Form]:
    """What names and plates share; a form that changes nothing is left out."""
    written = {name: _whole(write) for name, write in _WRITTEN.items() if name != left_out}
    return {"as it is": _plain, "hidden characters": _every(*_HIDDEN)} | written


WECHAT_FORMS: dict[str, Form] = _names("small letters") | {
    "space after each": _every(" "),
    "sign after each": _every("-", ".", "_", "~"),
    "space": _between(" ", "  "),
    "signs": _between("-", ".", "+", "*"),
    "brackets": bracketed_groups,
    "line break": _between("\n", "\r\n"),
    "emoji between": _between("😂", "👉", "❤️"),
    "words between": _cut("然后", "再加", "后面是数字"),
}

PLATE_FORMS: dict[str, Form] = _names("capitals") | {
    "dot": lambda groups, rng: [f"{groups[0]}{groups[1]}{rng.choice('·.•')}{groups[2]}"],
    "dash": lambda groups, rng: [f"{groups[0]}{groups[1]}{rng.choice('-—－')}{groups[2]}"],
    "space": lambda groups, _: [f"{groups[0]}{groups[1]} {groups[2]}"],
    "space after each": _every(" "),
    "sign after each": _every("-", ".", "*", "、"),
    "groups apart": _between(" ", "-", "·"),
    "brackets": lambda groups, _: [f"{groups[0]}（{groups[1]}）{groups[2]}"],
    "first half in brackets": lambda groups, _: ["", "【", f"{groups[0]}{groups[1]}】{groups[2]}"],
    "emoji between": lambda groups, _: [f"{groups[0]}{groups[1]}🚗{groups[2]}"],
    "words between": lambda groups, rng: [
        groups[0] + groups[1],
        rng.choice(("点", "杠", "然后", "后面是")),
        groups[2],
    ],
}


def _mail(at: Sequence[str], dot: Sequence[str]) -> Form:
    def spell(groups: Sequence[str], rng: Random) -> Spelled:
        local, host, ending = groups
        return [local + rng.choice(at) + host + rng.choice(dot) + ending]

    return spell


def _mail_written(name: str) -> Form:
    write = _WRITTEN[name]
    return lambda groups, _: [write(f"{groups[0]}@{groups[1]}.{groups[2]}")]


EMAIL_FORMS: dict[str, Form] = {
    "as it is": _mail("@", "."),
    "spaces about @": _mail((" @ ", "@ ", " @"), "."),
    "spaces about both": _mail((" @ ",), (" . ", ". ")),
    "full-width @": _mail("＠﹫", "."),
    "full-width @ and dot": _mail("＠", "．。"),
    "[at]": _mail(("[at]", "(at)", "{at}", "（at）", "【at】"), "."),
    "[at] and [dot]": _mail((" [at] ", "(at)", " at "), (" [dot] ", "(dot)", " dot ")),
    "艾特": _mail(("艾特", "爱特", "@艾特"), "."),
    "艾特 and 点": _mail(("艾特", "圈a"), ("点", "。")),
    "# for @": _mail(("#", "(#换成@)"), "."),
    "@ twice": _mail(("@@", "@@@"), "."),
    "Han stop": _mail("@", "。"),
    "comma for dot": _mail("@", ",，"),
    "点 for dot": _mail("@", "点"),
    "star for @": _mail("*", "."),
    "hidden characters": lambda groups, rng: [
        rng.choice(_HIDDEN).join(f"{groups[0]}@{groups[1]}.{groups[2]}")
    ],
    "space after each": lambda groups, _: [" ".join(f"{groups[0]}@{groups[1]}.{groups[2]}")],
    "line break": _mail(("\n@", "@\n"), "."),
    "HTML": _mail(("&#64;", "&commat;"), "."),
    "capitals": _mail_written("capitals"),
    "full-width": _mail_written("full-width"),
    "circled": _mail_written("circled"),
    "maths letters": _mail_written("maths letters"),
    "Cyrillic": _mail_written("Cyrillic"),
    "host in words": lambda groups, _: [groups[0], f"，{groups[1]}邮箱"],
}
