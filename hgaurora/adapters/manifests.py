# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Manifests in YAML: plain data, nothing that is made or followed."""

from __future__ import annotations

from ..core.cluster_from import LARGEST, NotFound


def documents(content: bytes) -> list[object]:
    """Every document of a YAML file.

    :raises NotFound: it is no YAML, or too large, or has aliases (a small file with them can stand for a huge one).
    """
    import yaml

    class Plain(yaml.SafeLoader):
        """Without aliases."""

        def compose_node(self, parent: object, index: object) -> object:
            if self.check_event(yaml.AliasEvent):
                raise NotFound("has aliases (*name)", "write them out")
            return super().compose_node(parent, index)

    if len(content) > LARGEST:
        raise NotFound(f"has more than {LARGEST >> 20} MiB", "is it the right file?")
    try:
        return list(yaml.load_all(content, Plain))  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}" if mark else ""
        raise NotFound(f"is not YAML: {error.problem}{where}", "is it the right file?") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        raise NotFound("is not YAML that can be read", "is it the right file?") from None
