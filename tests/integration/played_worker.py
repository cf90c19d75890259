"""A worker that is played: it answers for the remote accounts of a cluster without workers, so that the tool, the API
and the page can be tested with every answer that there is."""

import threading
import time


class PlayedWorker:
    """answer(address, id) -> fields of the status, or None: it leaves the account alone."""

    def __init__(self, redis, answer):
        self.redis, self.answer = redis, answer
        self.taken = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join(10)

    def _run(self):
        while not self.ended.wait(0.02):
            for member, due in self.redis.zrangebyscore("retrieve:due", 0, time.time() * 1000, withscores=True):
                address, id = member.split(" ")
                fields = self.answer(address, id)
                if fields is None:
                    continue
                key = f"retrieve:{{{address}}}:{id}:st"
                self.redis.hset(key, mapping={"fence": 1, "last_try": int(time.time() * 1000), **fields})
                self.redis.zadd("retrieve:due", {member: time.time() * 1000 + 3600000}, xx=True)
                self.taken.append(id)


def good(messages=7, **more):
    return {"state": "idle", "last_ok": int(time.time() * 1000), "failures": 0, "last_error": "",
            "total_messages": messages, "total_bytes": messages * 1000, **more}


def bad(words, **more):
    return {"state": "waiting", "failures": 1, "last_error": words, **more}
