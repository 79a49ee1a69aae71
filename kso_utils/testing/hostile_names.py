"""Names of movie files as they arrive on bad days: each either works everywhere, or is refused by name."""

from __future__ import annotations

import unicodedata
from shutil import copyfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_BYTES = 255

HOSTILE_NAMES: dict[str, str] = {
    # options of a program
    "leading dash": "-y.mp4",
    "leading two dashes": "--help.mp4",
    "dash and a value": "-i secret.mp4",
    "dash alone": "-",
    "option that writes": "-f null -.mp4",
    # protocols, and what looks like them
    "colons of a time": "2020-01-01T10:00:00.mp4",
    "leading colon": ":a.mp4",
    "drive letter": "C:movie.mp4",
    "file:": "file:a.mp4",
    "pipe:": "pipe:0.mp4",
    "pipe alone": "pipe:1",
    "concat:": "concat:a.mp4|b.mp4",
    "subfile": "subfile,,start,0,end,9,,:a.mp4",
    "http:": "http:a.mp4",
    "https:": "https:example.org.mp4",
    "s3:": "s3:bucket.mp4",
    "crypto:": "crypto:a.mp4",
    "cache:": "cache:a.mp4",
    "data:": "data:video;base64,AAAA.mp4",
    "async:": "async:a.mp4",
    "tcp:": "tcp:127.0.0.1.mp4",
    "fd:": "fd:3.mp4",
    "tee list": "[f=mpegts]a.mp4|b.mp4",
    # patterns
    "percent d": "50%d.mp4",
    "percent 03d": "frame%03d.mp4",
    "percent s": "%s%n.mp4",
    "percent alone": "100%.mp4",
    "two percents": "%%.mp4",
    "percent of an address": "a%2F..%2Fb.mp4",
    "strftime": "%Y-%m-%d.mp4",
    "star": "*.mp4",
    "question mark": "what?.mp4",
    "brackets": "[a-z].mp4",
    "braces": "{a,b}.mp4",
    "python format": "{0.__class__}.mp4",
    # quotes and shells
    "single quote": "it's.mp4",
    "double quote": 'a "reef".mp4',
    "both quotes": "'\"'.mp4",
    "escaped quote": "a'\\''b.mp4",
    "backtick": "`id`.mp4",
    "dollar": "$(id).mp4",
    "variable": "$HOME.mp4",
    "semicolon": "a;b.mp4",
    "ampersand": "a&b&&c.mp4",
    "bar": "a|b.mp4",
    "redirection": "a>b<c.mp4",
    "exclamation": "!!.mp4",
    "tilde": "~.mp4",
    "hash": "#1.mp4",
    "comma": "a,b=c.mp4",
    "comma first": ",a.mp4",
    "equals": "a=b:c=d.mp4",
    "at": "@eaDir.mp4",
    "plus": "=1+2.mp4",
    # separators of other systems
    "backslash": "a\\b.mp4",
    "backslashes that climb": "..\\..\\a.mp4",
    "share": "\\\\server\\share.mp4",
    # white space and control characters
    "space": "a b.mp4",
    "leading space": " a.mp4",
    "trailing space": "a.mp4 ",
    "space before the ending": "a .mp4",
    "spaces alone": "  .mp4",
    "tab": "a\tb.mp4",
    "newline": "a\nb.mp4",
    "newline and a line of a list": "a.mp4\nfile b.mp4",
    "return": "a\rb.mp4",
    "bell and escape": "a\a\x1b[31mred.mp4",
    "delete": "a\x7fb.mp4",
    "no-break space": "a\u00a0b.mp4",
    "line separator": "a\u2028b.mp4",
    # dots
    "leading dot": ".hidden.mp4",
    "leading dots": "...mp4",
    "trailing dot": "a.mp4.",
    "dots within": "a..b.mp4",
    "no ending": "movie",
    "ending of another kind": "movie.txt",
    "ending in capitals": "MOVIE.MP4",
    "long ending": f"a.{'b' * 250}",
    "ending alone": ".mp4",
    # names that a system keeps for itself
    "con": "con.mp4",
    "nul": "NUL",
    "aux and more": "aux.movie.mp4",
    "com1": "COM1.mp4",
    # letters
    "composed": unicodedata.normalize("NFC", "\u00e5\u00e4\u00f6 sk\u00e4r.mp4"),
    "decomposed": unicodedata.normalize("NFD", "\u00e5\u00e4\u00f6 b\u00e5d.mp4"),
    "Chinese": "\u9c7c.mp4",
    "Arabic": "\u0633\u0645\u0643.mp4",
    "from right to left": "a\u202e4pm.exe.mp4",
    "emoji": "\U0001f41f\U0001f9d1\u200d\U0001f52c.mp4",
    "nothing to see": "\u200b\ufeff.mp4",
    "many marks": "a" + "\u0301" * 40 + ".mp4",
    "full-width": "\uff0e\uff0e\uff0fa.mp4",
    "dotless i": "\u0130I\u0131i.mp4",
    "not UTF-8": "caf\udce9.mp4",
    # lengths
    "255 bytes": "x" * (_LONGEST_BYTES - 4) + ".mp4",
    "255 bytes of long letters": "\u9c7c" * 83 + "ab.mp4",
    "255 bytes of emoji": "\U0001f41f" * 62 + "abc.mp4",
    "one letter": "a",
    "digits": "007",
    "None": "None.mp4",
}
"""What is special about a name -> the name of a file in a folder; a file system of Linux takes all of them."""

OUTSIDE_NAMES: dict[str, str] = {
    "parent": "../a.mp4",
    "parents": "../../../../../../tmp/a.mp4",
    "parent within": "a/../../b.mp4",
    "parent alone": "..",
    "absolute": "/tmp/a.mp4",  # noqa: S108
    "folder itself": ".",
    "nothing": "",
    "NUL character": "a\0b.mp4",
    "NUL at the end": "a.mp4\0",
}
"""What is special about a name -> a name that leads outside its folder, or that no file can bear."""


def place_file(source: Path, folder: Path, name: str) -> Path | None:
    """Copy a file into a folder under another name; None if the disk takes no such name."""
    path = folder / name
    try:
        copyfile(source, path)
    except (OSError, UnicodeError):
        if folder.is_dir() and source.is_file():
            return None
        raise
    return path
