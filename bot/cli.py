"""The `thiqa` command."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.errors import ConfigurationError, DeskRefused, MessageRefused, StorageUnavailable
from bot.handoff.model import Role
from bot.settings import Settings, load_settings, prepare_home

if TYPE_CHECKING:
    from bot.agents.accounts import Accounts
    from bot.agents.model import Account
    from bot.bootstrap import Thiqa
    from bot.conversations.model import Button, Message

app = typer.Typer(
    help="Thiqa: customer support for online shops, in Arabic and English.", no_args_is_help=True, add_completion=False
)
eval_app = typer.Typer(help="Measure how well customers are understood.", no_args_is_help=True)
demo_app = typer.Typer(help="The demo shop's data.", no_args_is_help=True)
app.add_typer(eval_app, name="eval")
app.add_typer(demo_app, name="demo")
agents_app = typer.Typer(help="The people who answer customers at the desk.", no_args_is_help=True)
app.add_typer(agents_app, name="agents")

out, err = Console(), Console(stderr=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say what is wrong and what to do, without a stack trace."""
    try:
        yield
    except ConfigurationError as error:
        err.print(f"[bold red]{escape(error.what)}[/]: {escape(error.problem)}.\n{escape(error.remedy)}")
        raise typer.Exit(2) from None
    except DeskRefused as refused:
        err.print(f"[bold red]{escape(refused.reason)}[/]")
        raise typer.Exit(2) from None
    except StorageUnavailable as error:
        err.print(
            f"[bold red]The database does not answer[/] ({escape(str(error))}).\nCheck THIQA_DATABASE_URL and that the server runs."
        )
        raise typer.Exit(3) from None


def _prepare(quiet: bool = False) -> Settings:
    """Settings and logs. TensorFlow and Rasa say nothing that a user of Thiqa could act on."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
    os.environ.setdefault("SQLALCHEMY_SILENCE_UBER_WARNING", "1")
    settings = load_settings()
    os.environ["THIQA_HOME"] = str(settings.home)  # Rasa's components read it
    from bot import logs

    logs.configure("ERROR" if quiet and settings.log_level != "DEBUG" else settings.log_level, settings.log_format)
    return settings


def _announce(text: str) -> None:
    err.print(f"[dim]{escape(text)}[/]")


def _build(settings: Settings) -> Thiqa:
    from bot.bootstrap import build

    with _training_bars():
        return build(settings, _announce)


@contextmanager
def _training_bars() -> Iterator[None]:
    """A bar for each part of a training; none is shown where nothing is trained."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bot.brain.progress import listening

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=err)
    tasks: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            bars.start()
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    try:
        with listening(show):
            yield
    finally:
        bars.stop()


@app.command()
def run() -> None:
    """Serve: train where need be, then answer on THIQA_HOST:THIQA_PORT until stopped."""
    with _plain_errors():
        settings = _prepare()
        prepare_home(settings)
        with _port(settings) as listener:
            thiqa = _build(settings)
            import uvicorn

            from bot.app import create_app
            from bot.connectors.webchat.server import MAX_FRAME
            from bot.widget_file import NOT_BUILT, WIDGET

            class Server(uvicorn.Server):
                def handle_exit(self, sig: int, frame: FrameType | None) -> None:
                    super().handle_exit(sig, frame)
                    thiqa.webchat.stop_soon()

            server = Server(
                uvicorn.Config(
                    create_app(thiqa),
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    ws="wsproto",  # Rasa holds websockets at a version that uvicorn cannot import
                    ws_max_size=MAX_FRAME,
                    ws_per_message_deflate=False,  # a small frame may unpack to hundreds of megabytes
                    timeout_graceful_shutdown=int(settings.shutdown_grace) + 5,
                )
            )
            if not WIDGET.is_file():
                err.print(f"[yellow]{escape(NOT_BUILT.removeprefix('// ').strip())}[/]")
            err.print(f"[bold green]Thiqa answers on {settings.base_url}[/]")
            if not settings.rest_token.get_secret_value():
                err.print(
                    "[dim]The REST channel is off: set THIQA_REST_TOKEN to use it. In a terminal: uv run thiqa chat[/]"
                )
            if link := thiqa.desk.accounts.setup_link():
                err.print("There is no administrator yet. Make the first one here, within 24 hours:")
                err.print(f"[bold]{escape(link)}[/]", soft_wrap=True, highlight=False)
            server.run(sockets=[listener])


@contextmanager
def _port(settings: Settings) -> Iterator[socket.socket]:
    """The listening socket, taken before the slow start so that a port in use is said at once."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            "THIQA_PORT",
            f"{settings.host}:{settings.port} cannot be used ({error.strerror})",
            "Stop what uses it, or set another THIQA_PORT.",
        ) from None
    with listener:
        yield listener


@app.command()
def train(force: Annotated[bool, typer.Option("--force", help="Also when the model is up to date.")] = False) -> None:
    """Train the model of the present data into THIQA_HOME."""
    with _plain_errors():
        settings = _prepare()
        prepare_home(settings)
        from bot.brain.training import ensure_model, model_path

        if force:
            model_path(settings.home).unlink(missing_ok=True)
        with _training_bars():
            path = ensure_model(settings.home, _announce)
        out.print(f"Model: {path}")


@app.command()
def chat(
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what was understood and which source answered.")
    ] = False,
    sender: Annotated[str | None, typer.Option(help="Go on with an earlier conversation of that name.")] = None,
) -> None:
    """Talk to the assistant here. Type a button's number to press it; an empty line or Ctrl-D ends."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        thiqa = _build(settings)
        thiqa.start()
        try:
            _converse(thiqa, sender or f"terminal-{uuid.uuid4().hex[:8]}", explain)
        finally:
            thiqa.stop()


def _converse(thiqa: Thiqa, sender: str, explain: bool) -> None:
    from bot.conversations.model import Inbound

    err.print(f"[dim]Conversation {sender}. اكتب رسالتك · Write your message.[/]")
    buttons: list[Button] = []
    while True:
        try:
            typed = out.input("[bold cyan]› [/]") if sys.stdin.isatty() else sys.stdin.readline()
        except (EOFError, KeyboardInterrupt):
            return
        if not typed.strip():
            return
        pressed = (
            buttons[int(typed) - 1].id
            if typed.strip().isascii() and typed.strip().isdigit() and 1 <= int(typed) <= len(buttons)
            else None
        )
        try:
            received = thiqa.inbox.receive(Inbound("terminal", sender, pressed or typed))
        except MessageRefused as refused:
            err.print(f"[red]{escape(refused.reason)}[/]")
            continue
        except StorageUnavailable:
            err.print("[red]The database does not answer: the message was not stored. Try again.[/]")
            continue
        replies = _wait(thiqa, received.message)
        if replies is None:
            err.print("[yellow]Stored, but not answered yet; write again in a moment.[/]")
            continue
        with suppress(StorageUnavailable):
            thiqa.outbox.collected([reply.id for reply in replies], thiqa.services.clock())
        buttons = [button for reply in replies for button in reply.buttons]
        _show(replies, explain)
        if not replies:
            err.print("[dim](waiting for a person)[/]")


def _wait(thiqa: Thiqa, message: Any) -> list[Message] | None:
    deadline = time.monotonic() + thiqa.settings.turn_timeout + 5
    while time.monotonic() < deadline:
        with suppress(StorageUnavailable):  # the message is stored: a database that is away may come back in time
            replies = thiqa.inbox.replies(message)
            if replies is not None:
                return replies
        time.sleep(0.02)
    return None


def _show(replies: list[Message], explain: bool) -> None:
    number = 0
    for reply in replies:
        out.print(escape(reply.text))
        for button in reply.buttons:
            number += 1
            out.print(f"  [bold]{number}[/] {escape(button.title)}")
        if explain:
            known = {key: value for key, value in reply.meta.items() if value is not None}
            out.print("[dim]  " + escape(" · ".join(f"{key} {value}" for key, value in known.items())) + "[/]")


@eval_app.command("nlu")
def eval_nlu(
    data: Annotated[
        Path, typer.Option(help="JSON lines: text, intent, and lang, emotion, topic, entities where known.")
    ],
    errors: Annotated[Path | None, typer.Option(help="Write the messages that were misread to this file.")] = None,
    page: Annotated[
        Path | None, typer.Option("--html", help="Write a page with charts and all errors to this file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Only the result, as one JSON object on the last line.")
    ] = False,
) -> None:
    """Measure understanding on a file of labelled messages."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.brain.evaluation import evaluate, read_lines
        from bot.brain.evaluation_report import print_report, write_page

        lines = read_lines(data)
        thiqa = _build(settings)

        def topic_of(text: str) -> str | None:
            matches = thiqa.services.knowledge.find(text, "ar").matches
            return matches[0].entry.topic if matches else None

        measured = evaluate(thiqa.assistant.parse, lines, topic_of)
        thiqa.database.close()
        if errors:
            errors.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in measured.errors), "utf-8")
        if page:
            write_page(measured, page)
        if not as_json:
            print_report(measured, out)
        print(json.dumps(measured.report(), ensure_ascii=False))


@app.command()
def queue() -> None:
    """List the customers who wait for a person, longest first."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import open_database, utc_now
        from bot.storage.handoff import SqlHandoffs

        database = open_database(settings)
        entries = SqlHandoffs(database).queue()
        table = Table(title=f"Waiting: {len(entries)}")
        for column in ("waits", "conversation", "channel", "language", "reason", "contact", "messages", "last message"):
            table.add_column(column, overflow="fold", no_wrap=column == "conversation")
        for entry in entries:
            minutes = int((utc_now() - entry.handoff.asked_at).total_seconds() // 60)
            table.add_row(
                f"{minutes} min",
                entry.handoff.conversation[:8],
                entry.channel,
                entry.language,
                entry.handoff.reason.value,
                escape(entry.handoff.contact or "–"),
                str(entry.waiting_messages),
                escape(entry.last_text[:200]),
            )
        out.print(table)
        database.close()


@app.command()
def unanswered() -> None:
    """List the questions that nothing answered, newest first."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import open_database
        from bot.storage.records import SqlUnansweredQuestions

        database = open_database(settings)
        table = Table(title="Unanswered questions")
        for column in ("when", "language", "question", "nearest entry"):
            table.add_column(column, overflow="fold")
        for question in SqlUnansweredQuestions(database).latest():
            table.add_row(
                f"{question.at:%Y-%m-%d %H:%M}", question.language, escape(question.text[:300]), question.nearest or "–"
            )
        out.print(table)
        database.close()


@app.command()
def cases() -> None:
    """List the complaints under way, the most serious and then the oldest first."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import open_database, utc_now
        from bot.storage.cases import SqlCases

        database = open_database(settings)
        found = SqlCases(database).open_cases()
        table = Table(title=f"Complaints under way: {len(found)}")
        for column in ("number", "kind", "state", "severity", "order", "age"):
            table.add_column(column, overflow="fold", no_wrap=column == "number")
        for case in found:
            table.add_row(
                case.number,
                case.kind.value,
                case.state.value,
                case.severity.name.lower(),
                escape(case.order_number or "–"),
                _span(utc_now() - case.opened_at),
            )
        out.print(table)
        database.close()


@app.command()
def promises() -> None:
    """List what is promised and not settled, due first, and how much was kept in the last 30 days."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import open_database, utc_now
        from bot.storage.promises import SqlPromises

        database = open_database(settings)
        records, now = SqlPromises(database), utc_now()
        found = records.open_promises()
        table = Table(title=f"Open promises: {len(found)}")
        for column in ("due", "in", "kind", "owner", "case", "conversation"):
            table.add_column(column, overflow="fold", no_wrap=column in ("due", "conversation"))
        for promise in found:
            late = promise.due_at < now
            table.add_row(
                f"{promise.due_at:%Y-%m-%d %H:%M}",
                f"[red]{_span(now - promise.due_at)} late[/]" if late else _span(promise.due_at - now),
                promise.kind.value,
                promise.owner.value,
                escape(str(promise.what.get("case_number") or "–")),
                promise.conversation[:8],
            )
        out.print(table)
        kept = records.kept_rate(now - timedelta(days=30))
        rate = "–" if kept.rate is None else f"{kept.rate:.0%}"
        out.print(f"Kept in 30 days: {rate} ({kept.kept} kept, {kept.broken} broken)")
        database.close()


@app.command()
def suggestions() -> None:
    """List what customers have suggested, open ones first, newest first."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import open_database
        from bot.storage.feedback import SqlFeedback

        database = open_database(settings)
        table = Table(title="Suggestions")
        for column in ("number", "when", "language", "suggestion", "done"):
            table.add_column(column, overflow="fold", no_wrap=column == "number")
        for suggestion in SqlFeedback(database).suggestions():
            table.add_row(
                suggestion.number,
                f"{suggestion.at:%Y-%m-%d %H:%M}",
                suggestion.language,
                escape(suggestion.text[:300]),
                f"{suggestion.done_at:%Y-%m-%d}" if suggestion.done_at else "–",
            )
        out.print(table)
        database.close()


@app.command("suggestions-done")
def suggestions_done(
    number: Annotated[str, typer.Argument(help="The suggestion's number, as S20481.")],
    answer: Annotated[str, typer.Option(help="What its author is told, in their language.")],
) -> None:
    """Mark a suggestion as done; its author is told so, once, where that is allowed."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import open_database, utc_now
        from bot.storage.feedback import SqlFeedback

        if not answer.strip():
            raise ConfigurationError("--answer", "it is empty", "Say in a sentence what was done.")
        database = open_database(settings)
        done = SqlFeedback(database).done(number.strip().upper(), answer.strip(), utc_now())
        database.close()
        if not done:
            err.print(
                f"[bold red]{escape(number)}[/] is no open suggestion: see [bold]thiqa suggestions[/] for those there are."
            )
            raise typer.Exit(2)
        out.print(f"{escape(number.strip().upper())} is done. Its author will be told.")


def _span(span: timedelta) -> str:
    """Roughly how long, for people on duty."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


@agents_app.command("add")
def agents_add(
    email: Annotated[str, typer.Option(help="Their e-mail; with it they sign in.")],
    role: Annotated[Role, typer.Option(help="What they are at the desk.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Their name, as customers read it.")] = None,
) -> None:
    """Make an account for somebody who answers customers."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        password = _password_from_stdin(password_stdin)
        from bot.bootstrap import build_accounts, open_database

        database = open_database(settings)
        try:
            names = (name, name) if name else None
            made = build_accounts(settings, database).add(email, role, password, names)
        finally:
            database.close()
        out.print(f"{escape(made.email)} may sign in as {made.role.value}.", soft_wrap=True, highlight=False)


@agents_app.command("list")
def agents_list() -> None:
    """List everybody at the desk."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import build_accounts, open_database

        database = open_database(settings)
        table = Table(title="Agents")
        for column in ("e-mail", "name", "role", "second factor", "state", "since"):
            table.add_column(column, overflow="fold")
        for agent in build_accounts(settings, database).agents():
            table.add_row(
                escape(agent.email),
                escape(agent.name_ar if agent.name_ar == agent.name_en else f"{agent.name_ar} · {agent.name_en}"),
                agent.role.value,
                "yes" if agent.totp else "no",
                "active" if agent.active else "disabled",
                f"{agent.created_at:%Y-%m-%d}",
            )
        out.print(table)
        database.close()


@agents_app.command("disable")
def agents_disable(
    email: Annotated[str, typer.Argument(help="Whose account ends.")],
) -> None:
    """End an account: its sessions end at once, and it cannot sign in any more."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.agents.model import Actor
        from bot.bootstrap import build_accounts, open_database

        database = open_database(settings)
        try:
            accounts = build_accounts(settings, database)
            agent = accounts.disable(_agent_of(accounts, email).id, Actor(None))
        finally:
            database.close()
        out.print(f"{escape(agent.email)} is disabled.", soft_wrap=True, highlight=False)


@agents_app.command("reset")
def agents_reset(
    email: Annotated[str, typer.Argument(help="Who cannot get in any more.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the new password from the first line of standard input.")
    ] = False,
    keep_totp: Annotated[bool, typer.Option("--keep-totp", help="Leave the second factor on.")] = False,
) -> None:
    """Give somebody a new password and take their second factor away; their sessions end."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        password = _password_from_stdin(password_stdin)
        from bot.agents.model import Actor
        from bot.bootstrap import build_accounts, open_database

        database = open_database(settings)
        try:
            accounts = build_accounts(settings, database)
            agent = _agent_of(accounts, email)
            accounts.reset(agent.id, password, keep_totp, Actor(None))
        finally:
            database.close()
        out.print(f"{escape(agent.email)} has a new password.", soft_wrap=True, highlight=False)


def _password_from_stdin(asked: bool) -> str:
    if not asked:
        raise ConfigurationError("--password-stdin", "it is missing", "Pass it, and the password on standard input.")
    return sys.stdin.buffer.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")


def _agent_of(accounts: Accounts, email: str) -> Account:
    from bot.agents.model import email_key

    for agent in accounts.agents():
        if email_key(agent.email) == email_key(email):
            return agent
    raise DeskRefused("not_found", "There is no such agent: see thiqa agents list.")


@app.command()
def doctor() -> None:
    """Check this set-up and say what to mend."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.doctor import check

        failed = False
        for finding in check(settings):
            mark = {"ok": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]bad [/]"}[finding.state]
            out.print(f"{mark} [bold]{finding.what}[/]: {escape(finding.text)}")
            failed |= finding.state == "bad"
        raise typer.Exit(1 if failed else 0)


@demo_app.command("reset")
def demo_reset() -> None:
    """Load the demo shop anew: its days count from today again."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import DEMO_SHOP, open_database, utc_now
        from bot.shops.embedded import reset_demo

        database = open_database(settings)
        reset_demo(database, DEMO_SHOP, utc_now())
        database.close()
        out.print("The demo shop is as new.")


@app.command("demo-shop")
def demo_shop(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8100,
    token: Annotated[str, typer.Option(help="Bearer token that callers must send.", envvar="THIQA_SHOP_TOKEN")] = "",
) -> None:
    """Serve the demo shop over HTTP, as a shop that speaks docs/shop-openapi.yaml."""
    with _plain_errors():
        settings = _prepare()
        if not token:
            raise ConfigurationError("THIQA_SHOP_TOKEN", "the demo shop needs a token", "Set it, or pass --token.")
        import uvicorn

        from bot.bootstrap import DEMO_SHOP, open_database, utc_now
        from bot.shops.demo_server import create_demo_shop_app
        from bot.shops.embedded import EmbeddedShop, load_demo

        database = open_database(settings)
        load_demo(database, DEMO_SHOP, utc_now())
        err.print(f"[bold green]The demo shop answers on http://127.0.0.1:{port}[/]")
        uvicorn.run(
            create_demo_shop_app(EmbeddedShop(database), token),
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            ws="none",  # as in `run`
        )


if __name__ == "__main__":
    app()
