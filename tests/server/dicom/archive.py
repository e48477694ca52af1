"""A scripted archive: its answers to objects, in order; the last one stands for all that follow."""

import threading
from contextlib import contextmanager

from pynetdicom import AE, evt
from pynetdicom.sop_class import MRImageStorage, StorageCommitmentPushModel, Verification


class Scripted:
    """Remembers what it took, by UID."""

    def __init__(self, statuses=(0x0000,), slow=0.0, title="ARCHIVE"):
        self.statuses, self.slow, self.title = list(statuses), slow, title
        self.taken, self.associations, self.asked = [], 0, []
        self.lock = threading.Lock()
        self.port = 0

    def store(self, event):
        with self.lock:
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if self.slow:
            threading.Event().wait(self.slow)
        if status == "abort":
            event.assoc.abort()
            return 0xA700
        if status == 0 or status & 0xF000 == 0xB000:
            self.taken.append(event.dataset.SOPInstanceUID)
        return status

    def opened(self, event):
        self.associations += 1

    def action(self, event):
        self.asked.append([str(each.ReferencedSOPInstanceUID) for each in event.action_information[1]])
        return 0x0000, None

    @contextmanager
    def serving(self, port=0, tls=None):
        entity = AE(ae_title=self.title)
        entity.require_called_aet = True
        for each in (MRImageStorage, Verification, StorageCommitmentPushModel):
            entity.add_supported_context(each)
        handlers = [(evt.EVT_C_STORE, self.store), (evt.EVT_ACCEPTED, self.opened)]
        handlers.append((evt.EVT_N_ACTION, self.action))
        place = ("127.0.0.1", port)
        server = entity.start_server(place, block=False, evt_handlers=handlers, ssl_context=tls)
        self.port = server.server_address[1]
        try:
            yield self
        finally:
            server.shutdown()
