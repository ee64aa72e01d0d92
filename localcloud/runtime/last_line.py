"""What a process wrote last."""

from __future__ import annotations

from localcloud.api.errors import EngineError
from localcloud.runtime.engine import Engine
from localcloud.runtime.program import Program


async def last_line(engine: Engine, program: Program, id: str) -> str:
    """What a process of the program wrote last, to be added to why it ended."""
    last = ""
    try:
        for kept in await engine.kept(program.container_id):
            if kept.id == id:
                lines = [line async for line in engine.lines(kept, tail=1)]
                last = max(lines, key=lambda line: line.time).text.strip() if lines else ""
    except EngineError:
        return ""
    return f"; its last line: {program.redacted(last)}" if last else "; it wrote nothing"
