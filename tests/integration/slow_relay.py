"""A relay that delays every byte, in both directions: a server far away."""

import collections
import selectors
import socket
import threading
import time


class SlowRelay(threading.Thread):
    def __init__(self, to_port, seconds, host="127.0.0.1"):
        super().__init__(daemon=True)
        self.to_port, self.seconds = to_port, seconds
        self.listener = socket.create_server((host, 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        self.stopped = False

    def start(self):
        super().start()
        return self

    def run(self):
        while not self.stopped:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:
                client.close()
                continue
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, source, target):
        """What arrives now leaves after the delay; what waits does not hold up what follows."""
        waiting = collections.deque()
        selector = selectors.DefaultSelector()
        selector.register(source, selectors.EVENT_READ)
        ended = False
        while waiting or not ended:
            wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
            if not ended and selector.select(wait):
                try:
                    data = source.recv(65536)
                except OSError:
                    data = b""
                waiting.append((time.monotonic() + self.seconds, data))
                ended = not data
            elif ended and wait:
                time.sleep(wait)
            while waiting and waiting[0][0] <= time.monotonic():
                _, data = waiting.popleft()
                try:
                    if data:
                        target.sendall(data)
                    else:
                        target.shutdown(socket.SHUT_WR)
                except OSError:
                    return

    def stop(self):
        self.stopped = True
        self.listener.close()
