"""`ui`: MLflow's page over the store that the other commands use, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from contextlib import suppress

from benchmark.cli.options import STORE, add_shared_options, cache_dir, interrupt_on_termination
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.output import say
from benchmark.tracking.client import existing_uri
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.ui_server import DEFAULT_PORT, ServerError, choose_port, server_address, ui_server
from benchmark.tracking.view import runs_page

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--port", type=_port, metavar="N", help="default: 5000, or a free one if that is taken")
    parser.add_argument(
        "--host",
        default=LOOPBACK[0],
        help="the network interface to listen on (default: 127.0.0.1); with another than this machine's own, everyone "
        "who can reach it can read and change the runs (names of hosts: see MLFLOW_SERVER_ALLOWED_HOSTS)",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    add_shared_options(parser, "profile", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; a store that is a server already is only opened."""
    uri = existing_uri(arguments.tracking_uri)
    address = server_address(uri)
    if address is not None:
        _show(arguments, _page(arguments, uri, address))
        return EXIT_DONE
    port = choose_port(arguments.host, arguments.port)
    if arguments.port is None and port != DEFAULT_PORT:
        say(f"port {DEFAULT_PORT} is taken; using {port}")
    if arguments.host not in LOOPBACK:
        say(f"everyone who can reach {arguments.host}, port {port}, can read and change the runs")
    interrupt_on_termination()
    try:
        with ui_server(uri, arguments.host, port) as server:
            say("MLflow's server is starting")
            page = _page(arguments, uri, server.address)  # meanwhile: both take seconds
            server.wait_until_ready()
            with suppress(KeyboardInterrupt):
                _show(arguments, page)
                say("Press Ctrl-C to end it.")
                server.wait_for_end()
    except ServerError as error:
        for line in str(error).splitlines():
            say(f"error: {line}")
        return EXIT_FAILED
    return EXIT_DONE


def _page(arguments: argparse.Namespace, uri: str, server: str) -> str:
    experiment_id = TrackingStore(uri, cache_dir(arguments)).experiment_of(arguments.profile)
    if experiment_id is None:
        say(f"no run of profile {arguments.profile!r} is recorded here yet")
    return runs_page(server, experiment_id)


def _show(arguments: argparse.Namespace, page: str) -> None:
    """Print the page's address, and open it if there is a screen."""
    print(page, flush=True)
    # Without a screen Python would open a text browser in this terminal.
    has_screen = sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
    if has_screen and not arguments.no_browser:
        webbrowser.open(page)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)
