"""How YAML is read: plain values alone, as a file of settings may come from anywhere."""

from __future__ import annotations

from typing import Any

import yaml

_LONGEST_NUMBER = 1000  # characters


def load_yaml(text: str) -> Any:
    """What a text in YAML says, as plain data.

    Raises:
        yaml.YAMLError, ValueError, OverflowError, RecursionError: it is not YAML, or names a key twice.
    """
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    """Plain YAML with each key once, and without references, of which a small file could unfold to any size."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references (*name) are not taken in settings", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:  # the last would count
                problem = f"the key {key.value[:100]!r} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            if node.tag.endswith((":int", ":float")) and len(node.value) > _LONGEST_NUMBER:
                raise ValueError  # before hours of `1:59:59:59` and so on are added up
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:  # what `2001-13-45` and `!!bool maybe` end in
            problem = f"{str(node.value)[:100]!r} is no {node.tag.rpartition(':')[2][:100]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error
