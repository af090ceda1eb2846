"""The text on a run's page in MLflow, a tag: Markdown, of so many characters at most."""

from __future__ import annotations

from collections.abc import Sequence

from .names import LONGEST_TAG

__all__ = ["NOTE", "fitted"]

NOTE = "mlflow.note.content"
LEFT_OUT = "# … the rest is in the artifact graph.yaml\n"
FENCE = "```"


def fitted(paragraphs: Sequence[str], yaml: str, longest: int = LONGEST_TAG) -> str:
    """Paragraphs, and below them a YAML file, as much of it as there is room for: whole lines."""
    text = "\n\n".join(paragraphs)[:longest]
    if not yaml.strip():
        return text
    room = longest - len(text) - len(f"\n\n{FENCE}yaml\n{FENCE}\n")
    body = yaml if yaml.endswith("\n") else f"{yaml}\n"
    if len(body) > room:
        lines = body[: max(room - len(LEFT_OUT), 0)]
        body = lines[: lines.rfind("\n") + 1] + LEFT_OUT
    return f"{text}\n\n{FENCE}yaml\n{body}{FENCE}\n" if len(body) <= room else text
