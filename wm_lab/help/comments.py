"""What the source says of the fields of a dataclass: the comment beside each, or the docstring below it."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from functools import lru_cache
from itertools import zip_longest


@lru_cache(256)
def comments(kind: type) -> dict[str, str]:
    """{field: words} of a class and of those that it builds on; nothing where there is no source."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        try:
            found |= comments_in(textwrap.dedent(inspect.getsource(base)), base.__name__)
        except (OSError, TypeError):
            continue  # made at run time, out of classes that have a source
    return found


def comments_in(source: str, name: str) -> dict[str, str]:
    """{field: words} of the class of this name in a Python file."""
    beside = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    body = next(n.body for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ClassDef) and n.name == name)
    found = {}
    for line, below in zip_longest(body, body[1:]):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            words = [beside[row] for row in range(line.lineno, (line.end_lineno or 0) + 1) if row in beside]
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                words.append(str(below.value.value))
            if words:
                found[line.target.id] = " ".join(" ".join(words).split())
    return found
