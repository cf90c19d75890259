"""A relay between a worker and a remote mailbox that breaks each connection after so many bytes of the remote."""

import socket
import threading
import time

from ports import free_port


class Cutter:
    def __init__(self, port, host="127.0.0.1"):
        self.target, self.port = port, free_port()
        self.cut = None         # bytes of the remote; None: none
        self.marks = []         # or before any of these texts
        self.step = 65536       # the remote's bytes go on in such pieces...
        self.rest = 0           # ... and after each of them it rests: seconds
        self.connections = 0    # begun
        self.longest = 0        # bytes that the remote sent in one connection that was not cut
        self.listener = socket.create_server((host, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client, self.cut), daemon=True).start()

    def _serve(self, client, cut):
        try:
            remote = socket.create_connection(("127.0.0.1", self.target))
        except OSError:  # it has been stopped
            client.close()
            return
        threading.Thread(target=self._copy, args=(client, remote), daemon=True).start()
        sent, seen = 0, b""
        try:
            while data := remote.recv(self.step):
                time.sleep(self.rest)
                before, seen = len(seen[-100:]), seen[-100:] + data
                found = [seen.find(mark) for mark in self.marks if mark in seen]
                if found:
                    client.sendall(data[:max(min(found) - before, 0)])
                    break
                data = data if cut is None else data[:cut - sent]
                client.sendall(data)
                sent += len(data)
                if cut is not None and sent >= cut:
                    break
            if cut is None:
                self.longest = max(self.longest, sent)
        except OSError:
            pass
        for s in (client, remote):
            self._end(s)

    @staticmethod
    def _copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        Cutter._end(target)

    @staticmethod
    def _end(s):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        s.close()
