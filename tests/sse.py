"""Server-sent events as a client reads them."""
import json

import requests


def events(url, token, last=None, until=lambda found: False, comments=False):
    """(event, id, data) of one stream, and with `comments` (None, None, text) for each; a block that has only an id is
    (None, id, None). Ends with the stream, or as soon as `until(found)` says so."""
    headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last} if last is not None else {})}
    found, event = [], {}
    with requests.get(url, headers=headers, stream=True, timeout=60) as reply:
        assert reply.status_code == 200 and reply.headers["Content-Type"] == "text/event-stream"
        for line in reply.iter_lines(chunk_size=1, decode_unicode=True):
            if line.startswith(":"):
                found += [(None, None, line)] if comments else []
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                data = json.loads(event["data"]) if "data" in event else None
                found.append((event.get("event"), event["id"], data))
                event = {}
            if until(found):
                break
    return found
