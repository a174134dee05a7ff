"""Whether the databases of the server can be entered: their tables and indexes are seen only from within."""

from exporter.collector import Trouble, read
from exporter.collectors.postgres.session import Everywhere, Session
from exporter.metric import Samples

_ENTERED = Everywhere("SELECT 1")


@read(interval=60)
def visits(session: Session) -> Samples:
    """Whether each database that the settings want can be entered."""
    for _ in session.everywhere(_ENTERED):
        yield None
    if session.refused:
        database, trouble = next(iter(session.refused.items()))
        others = f", and {len(session.refused) - 1} more" if len(session.refused) > 1 else ""
        (quoted,) = session.row("SELECT quote_ident(%s)", database)
        grant = f"GRANT CONNECT ON DATABASE {quoted} TO {session.role}"
        raise Trouble(
            f"the database {database}{others} cannot be entered: {trouble}",
            f"{trouble.fix or grant}, or leave it out by `databases_exclude`",
        )
