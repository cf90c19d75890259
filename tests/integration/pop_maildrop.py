"""A POP3 server whose maildrop a test fills as it likes: with any UIDLs, and only a part of it for a while."""

import socket
import threading


class Maildrop:
    def __init__(self):
        self.mail = []          # (UIDL, text), in order
        self.deleted = []       # UIDLs
        self.rounds = 0         # sessions that ended with QUIT
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        mail, marked = list(self.mail), []
        try:
            client.sendall(b"+OK hi\r\n")
            for line in client.makefile("rb"):
                client.sendall(self._answer(line.decode().split(), mail, marked))
                if line.upper().startswith(b"QUIT"):
                    break
        except OSError:
            pass
        client.close()

    def _answer(self, words, mail, marked):
        verb, number = words[0].upper(), int(words[1]) - 1 if len(words) > 1 and words[1].isdigit() else None
        if verb in ("USER", "PASS", "NOOP"):
            return b"+OK\r\n"
        if verb == "CAPA":
            return b"+OK\r\nUSER\r\nUIDL\r\n.\r\n"
        if verb == "STAT":
            return f"+OK {len(mail)} {sum(len(text) for _, text in mail)}\r\n".encode()
        if verb == "UIDL":
            return b"+OK\r\n" + "".join(f"{i + 1} {m[0]}\r\n" for i, m in enumerate(mail)).encode() + b".\r\n"
        if verb == "LIST":
            return b"+OK\r\n" + "".join(f"{i + 1} {len(m[1])}\r\n" for i, m in enumerate(mail)).encode() + b".\r\n"
        if verb == "RETR":
            return b"+OK\r\n" + mail[number][1] + b".\r\n"
        if verb == "DELE":
            marked.append(mail[number])
            return b"+OK\r\n"
        if verb == "QUIT":
            self.mail = [m for m in self.mail if m not in marked]
            self.deleted += [m[0] for m in marked]
            self.rounds += 1
            return b"+OK\r\n"
        return b"-ERR what\r\n"
