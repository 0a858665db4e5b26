"""`ui`: MLflow's page over the store that the other commands use, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress

from benchmark.cli.options import (
    Commands,
    add_command,
    add_profile_option,
    add_store_options,
    cache_dir,
    existing_store,
    existing_uri,
    interrupt_on_termination,
    say,
)
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "ui", ui, "open MLflow's page of the recorded runs; Ctrl-C ends it")
    add_profile_option(parser, "whose runs")
    parser.add_argument("--port", type=_port, metavar="N", help="default: 5000, or a free one where that is taken")
    parser.add_argument(
        "--host",
        default=LOOPBACK[0],
        help="the network interface to listen on; with another one than this machine's own (default: 127.0.0.1) "
        "whoever reaches it can read and change the runs (names of hosts: see MLFLOW_SERVER_ALLOWED_HOSTS)",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    add_store_options(parser)


def ui(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; a store that is a server already is only opened."""
    from benchmark.tracking.ui_server import DEFAULT_PORT, ServerError, address_of_server, choose_port

    uri = existing_uri(arguments)
    address = address_of_server(uri)
    if address is not None:
        _show(arguments, _page_of_server(arguments, uri, address))
        return EXIT_DONE
    port = choose_port(arguments.host, arguments.port)
    if arguments.port is None and port != DEFAULT_PORT:
        say(f"port {DEFAULT_PORT} is taken, so it is {port}")
    if arguments.host not in LOOPBACK:
        say(f"whoever reaches {arguments.host}, port {port}, can read and change the runs")
    interrupt_on_termination()
    try:
        _serve(arguments, uri, port)
    except ServerError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_DONE


def _serve(arguments: argparse.Namespace, uri: str, port: int) -> None:
    """Start the server, open its page and wait for Ctrl-C, which before the page is there is an interruption.

    Raises:
        ServerError: the server did not start, or has ended.
        TrackingError: it did not start because the store cannot be opened.
    """
    from benchmark.tracking.tags import experiment_name
    from benchmark.tracking.ui_server import ServerError, ui_server

    with ui_server(uri, arguments.host, port) as server:
        say("MLflow's server is starting")
        try:
            server.wait_until_ready()
        except ServerError:
            existing_store(arguments)  # says it in one line where the store is what is wrong
            raise
        page, is_recorded = server.page(experiment_name(arguments.profile))
        with suppress(KeyboardInterrupt):  # the way it is meant to end
            if not is_recorded:
                say(f"no run of profile {arguments.profile!r} is recorded here yet")
            _show(arguments, page)
            say("Ctrl-C ends it")
            server.wait_for_end()


def _page_of_server(arguments: argparse.Namespace, uri: str, address: str) -> str:
    """The page of our runs on a tracking server that others have started."""
    from benchmark.tracking.store import TrackingStore
    from benchmark.tracking.ui_server import experiments_page
    from benchmark.tracking.view import runs_page

    experiment_id = TrackingStore(uri, cache_dir(arguments)).experiment_of(arguments.profile)
    return experiments_page(address) if experiment_id is None else runs_page(address, experiment_id)


def _show(arguments: argparse.Namespace, address: str) -> None:
    """Print the address, and open it where there is a screen."""
    print(address, flush=True)
    if not arguments.no_browser and _has_screen():
        import webbrowser

        webbrowser.open(address)


def _has_screen() -> bool:
    """Without one, Python would open a text browser in this terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; a number from 1 to 65535")
    return int(text)
