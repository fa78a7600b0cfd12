"""Every bound of the protocol, with its unit and its reason."""

PAYLOAD_BYTES_MAX = 16 * 1024
"""Bytes of one message's payload: text and references; media travel by other means."""

FRAME_BYTES_MAX = 256 * 1024
"""Bytes of one frame behind its length field: a full sync page of small messages fits, a hostile length does not."""

OUTSTANDING_MAX = 64
"""Sends of one device in one conversation awaiting their ack; no two of them are ``RESULTS_MAX`` apart, so that a retransmission is always
answerable."""

OUTBOX_MAX = 10_000
"""Sends one device holds while it cannot write: hours of typing, a few megabytes."""

RESULTS_MAX = 256
"""Results of sends the log remembers per (device, conversation): four times what may be outstanding."""

RECENT_IDS_MAX = 100_000
"""Send identities the ``recent`` dedupe keeps in business memory: minutes at a thousand messages per second."""

SEEN_MAX = 10_000
"""Messages a device remembers per connection under ``connection`` dedupe."""

SYNC_PAGE_MAX = 100
"""Messages in one sync reply; with ``PAYLOAD_BYTES_MAX`` text-sized messages this stays far below ``FRAME_BYTES_MAX``."""

SYNC_PAGE_BYTES_MAX = 192 * 1024
"""Payload bytes in one sync reply, so that a page of the largest messages still fits a frame."""

GAP_BUFFER_MAX = 1_000
"""Messages a device parks ahead of a gap; beyond it they are dropped and fetched by sync."""

SEND_QUEUE_MAX = 1_000
"""Frames a gateway keeps for a connection that does not read, before it is cut off as a slow consumer."""

SEND_QUEUE_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of the same: more than a device's ``CATCH_UPS_MAX`` largest pages, since those it has asked for itself."""

ASKED_MAX = 64
"""Sends and syncs of one connection that may be under way; the gateway takes its further frames when there are answers."""

CATCH_UPS_MAX = 8
"""Conversations a device syncs at a time; the others wait their turn."""

SYNCS_MAX = 256
"""Sync pages a business node has under way; further requests wait. With the largest pages that is 48 MB."""

HEADS_MAX = 1_000
"""Conversations in one list of moved heads; where more have moved there are several lists."""

IN_FLIGHT_MAX = 50_000
"""Storage commands a business node has under way before it answers ``OVERLOADED``: about two seconds of work."""

ACK_ENTRIES_MAX = 256
"""Entries in one receive-ack frame; an ack is flushed when it is full."""

CONNECTIONS_MAX = 19_000
"""Connections one gateway accepts: the file descriptors of a process, less some for itself."""

LOGIN_HINT_MAX_US = 600_000_000
"""The longest wait a gateway asks of a client that it turns away: beyond ten minutes a line says no more than "later"."""

NEVER_US = 1 << 62
"""A deadline that does not come, in microseconds."""
