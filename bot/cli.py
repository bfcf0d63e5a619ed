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
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.errors import ConfigurationError, MessageRefused, StorageUnavailable
from bot.settings import Settings, load_settings, prepare_home

if TYPE_CHECKING:
    from bot.bootstrap import Thiqa
    from bot.conversations.model import Button, Message

app = typer.Typer(
    help="Thiqa: customer support for online shops, in Arabic and English.", no_args_is_help=True, add_completion=False
)
eval_app = typer.Typer(help="Measure how well customers are understood.", no_args_is_help=True)
demo_app = typer.Typer(help="The demo shop's data.", no_args_is_help=True)
app.add_typer(eval_app, name="eval")
app.add_typer(demo_app, name="demo")

out, err = Console(), Console(stderr=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say what is wrong and what to do, without a stack trace."""
    try:
        yield
    except ConfigurationError as error:
        err.print(f"[bold red]{escape(error.what)}[/]: {escape(error.problem)}.\n{escape(error.remedy)}")
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

            server = uvicorn.Server(
                uvicorn.Config(
                    create_app(thiqa),
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    ws="none",  # Rasa holds websockets at a version that uvicorn cannot import
                    timeout_graceful_shutdown=int(settings.shutdown_grace) + 5,
                )
            )
            err.print(f"[bold green]Thiqa answers on {settings.base_url}[/]")
            if not settings.rest_token.get_secret_value():
                err.print(
                    "[dim]The REST channel is off: set THIQA_REST_TOKEN to use it. In a terminal: uv run thiqa chat[/]"
                )
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Only the result, as one JSON object on the last line.")
    ] = False,
) -> None:
    """Measure understanding on a file of labelled messages."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.brain.evaluation import evaluate, print_report, read_lines

        lines = read_lines(data)
        thiqa = _build(settings)

        def topic_of(text: str) -> str | None:
            matches = thiqa.services.knowledge.find(text, "ar").matches
            return matches[0].entry.topic if matches else None

        misread: list[dict[str, Any]] = []
        result = evaluate(thiqa.assistant.parse, lines, topic_of, misread)
        thiqa.database.close()
        if errors:
            errors.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in misread), "utf-8")
        if not as_json:
            print_report(result, misread, out)
        print(json.dumps(result, ensure_ascii=False))


@app.command()
def queue() -> None:
    """List the customers who wait for a person, longest first."""
    with _plain_errors():
        settings = _prepare(quiet=True)
        from bot.bootstrap import open_database, utc_now
        from bot.storage.records import SqlHandoffRecords

        database = open_database(settings)
        entries = SqlHandoffRecords(database).queue()
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
