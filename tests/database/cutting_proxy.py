"""The process behind servers.CuttingProxy: HOST PORT OWN_PORT AFTER CUTS LOG. A byte goes to LOG with each cut."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading


def main() -> None:
    host, port, own_port, after, cuts, log = sys.argv[1:]
    left, lock = [int(cuts)], threading.Lock()

    def may_cut() -> bool:
        with lock:
            if left[0] <= 0:
                return False
            left[0] -= 1
            with open(log, "ab") as file:
                file.write(b"x")
            return True

    def hand_on(source: socket.socket, sink: socket.socket, is_from_server: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                passed += len(data)
                if is_from_server and passed > int(after) and may_cut():
                    break
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    with socket.create_server(("127.0.0.1", int(own_port))) as listener:
        print("ready", flush=True)  # noqa: T201
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((host, int(port)))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=hand_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=hand_on, args=(server, client, True), daemon=True).start()


if __name__ == "__main__":
    main()
