"""YAML of settings, bounded and plain: no tags, no repeated keys, no aliases that multiply, no dates.

An error says where and what kind of fault, and never shows text of the file: a wrong path may point at a secret.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from sccan.errors import InputError
from sccan.files.limits import check_size, limit, variable
from sccan.files.reading import as_text, read_bytes

NODES = 100_000
"""Values in one file, those that aliases stand for included."""


class Forbidden(InputError):
    """Something that YAML allows and we do not, or a value that cannot be read; no mistake in writing."""


class _Refused(Exception):
    """The same, where the file is not known yet; the place is named."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with bounds on what it builds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._deepest = limit("DEPTH")
        self._sizes: dict[int, int] = {}
        self._total = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            raise _Refused(f"{_place(event.start_mark)}: an explicit tag; write the value without it")
        before = self._total
        self._level += 1
        if self._level > self._deepest:
            raise _Refused(f"{_place(event.start_mark)}: more than {self._deepest} levels ({variable('DEPTH')})")
        node = super().compose_node(parent, index)
        self._level -= 1
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._sizes:
                raise _Refused(f"{_place(event.start_mark)}: an alias of what it lies in")
            self._total += self._sizes[id(node)]
        else:
            self._total += 1
            self._sizes[id(node)] = self._total - before
        if self._total > NODES:
            raise _Refused(f"{_place(event.start_mark)}: more than {NODES} values, with those of aliases")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise _Refused(f"{_place(node.start_mark)}: a key stands twice in one group")
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused(f"{_place(key.start_mark)}: a key that is a list or a group")
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: str | Path, what: str = "config file") -> Any:
    """The content of a YAML file as plain data; None where it is empty.

    Raises InputError: it cannot be read or is no YAML. Forbidden: it is outside the bounds above.
    """
    source = f"{what} {path}"
    return parse_yaml(as_text(read_bytes(path, what, "YAML_KB"), source), source)


def parse_yaml(text: str, source: str) -> Any:
    """YAML text as plain data; `source` begins a message. Raises InputError: see `read_yaml`."""
    check_size(source, len(text), "YAML_KB")
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except _Refused as error:
        raise Forbidden(f"{source}, {error}") from error
    except yaml.MarkedYAMLError as error:
        problem = re.sub(r"(['\"]).*\1", "...", " ".join((error.problem or "it").split()))
        where = f", {_place(error.problem_mark)}" if error.problem_mark else ""
        raise InputError(f"{source} cannot be read as YAML{where}: {problem}") from None
    except yaml.YAMLError:
        raise InputError(f"{source} cannot be read as YAML: it holds characters that no text has") from None
    except (ValueError, OverflowError, RecursionError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else "a number that cannot be read"
        raise Forbidden(f"{source} cannot be read as YAML: {reason}") from None
    finally:
        if loader is not None:
            loader.dispose()


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"
