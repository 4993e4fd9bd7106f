//! Every bound of the controller's shell, with its unit and with what happens there (design §3.11). Those of what a leader
//! decides are in `drydock_leader::limits`.

use std::time::Duration;

// --- Configuration ---------------------------------------------------------------------------------------------

/// Controllers that a new cluster may start with. More is refused at start.
pub const MEMBERS_INITIAL_MAX: usize = 9;
/// Bytes of a controller's name or host. A longer one is refused.
pub const NAME_BYTES_MAX: usize = 255;

// --- Peers -----------------------------------------------------------------------------------------------------

/// Raft messages that wait for one peer. One more: it is dropped and raft is told that the peer is unreachable.
pub const PEER_QUEUE_MESSAGES_MAX: usize = 1_024;
/// Bytes of raft messages that wait for one peer (a single larger message still goes alone). At the bound as above.
pub const PEER_QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one message on the peers' port, in either direction. A larger one ends the stream.
pub const PEER_MESSAGE_BYTES_MAX: usize = drydock_consensus::config::PEER_MESSAGE_BYTES_MAX + 64 * 1024;
/// First wait before a lost peer is dialled again; it doubles up to [`PEER_REDIAL_MAX`]. Kept short, since a leader
/// that can't reach a restarted peer starves it into an election.
pub const PEER_REDIAL_MIN: Duration = Duration::from_millis(20);
/// Longest wait before a lost peer is dialled again.
pub const PEER_REDIAL_MAX: Duration = Duration::from_millis(400);
/// Wait before a peer is dialled again that refuses this controller (another cluster's, or another disk's): only an
/// operator changes that.
pub const PEER_REFUSED_WAIT: Duration = Duration::from_secs(2);
/// Wait for a TCP connection to a peer; then it counts as lost.
pub const PEER_CONNECT_MAX: Duration = Duration::from_millis(800);
/// A ping goes out on a connection to a peer this often. With [`PEER_KEEPALIVE_TIMEOUT`] less than an election timeout.
pub const PEER_KEEPALIVE_INTERVAL: Duration = Duration::from_millis(200);
/// A connection without an answer to a ping for this long is closed and dialled again.
pub const PEER_KEEPALIVE_TIMEOUT: Duration = Duration::from_millis(250);
/// HTTP/2 flow-control window of a peer's stream and connection, in bytes.
pub const PEER_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Wait for the hello on a new stream; then the stream is closed.
pub const PEER_HELLO_MAX: Duration = Duration::from_secs(2);
/// Bytes of snapshot in one message.
pub const SNAPSHOT_PART_BYTES: usize = 1024 * 1024;
/// Parts of a snapshot read ahead of a slow receiver. The file is read no faster than that.
pub const SNAPSHOT_PARTS_AHEAD_MAX: usize = 2;
/// Wait for the next part of a snapshot; then the fetch has failed (and is resumed when it is offered again).
pub const SNAPSHOT_PART_MAX: Duration = Duration::from_secs(10);

// --- Logs ------------------------------------------------------------------------------------------------------

/// Logs read at once. One more is refused with `RESOURCE_EXHAUSTED`.
pub const LOG_READS_MAX: usize = 1_000;
/// Chunks of a log that wait for a slow client. Then the agent waits.
pub const LOG_CHUNKS_AHEAD_MAX: usize = 4;
/// Bytes of one line of a log. A longer line comes in parts.
pub const LOG_LINE_BYTES_MAX: usize = 256 * 1024;
/// Wait for the agent to begin to push a log; then the read fails with `UNAVAILABLE`.
pub const LOG_START_MAX: Duration = Duration::from_secs(10);

// --- Events ----------------------------------------------------------------------------------------------------

/// Bytes of events kept for those who watch. The oldest go first; a watcher that needs them is told to list anew.
pub const EVENT_RING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Entries handed to a watcher at a time.
pub const WATCH_ENTRIES_MAX: usize = 256;
/// A watcher to whom nothing was sent for this long is told how far the log is.
pub const WATCH_PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Watchers at once, and streams of any other kind. One more is refused with `RESOURCE_EXHAUSTED`.
pub const WATCHERS_MAX: usize = 1_000;

// --- Requests --------------------------------------------------------------------------------------------------

/// Writes under way at once. One more is refused with `RESOURCE_EXHAUSTED` and a hint when to retry.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 4_000;
/// Bytes of writes under way at once (a single larger one still goes alone). At the bound as above.
pub const REQUEST_BYTES_IN_FLIGHT_MAX: usize = 16 * 1024 * 1024;

// --- Agents ----------------------------------------------------------------------------------------------------

/// Messages that wait for one agent. A log read is refused, an acknowledgement left out (the agent reports again), a
/// manifest or delta waits up to [`SESSION_STALL_MAX`].
pub const SESSION_MESSAGES_AHEAD_MAX: usize = 64;
/// An agent that takes no message for this long loses its session.
pub const SESSION_STALL_MAX: Duration = Duration::from_secs(30);

// --- Reads and forwarding --------------------------------------------------------------------------------------

/// Wait for a state that was confirmed to be applied here, too.
pub const READ_INDEX_WAIT_MAX: Duration = Duration::from_secs(5);
/// Wait for the entry of `drydock-min-index`; then the read fails with `UNAVAILABLE`.
pub const MIN_INDEX_WAIT_MAX: Duration = Duration::from_secs(5);
/// After a forwarded write, wait for it to be applied here, too, so that the same client reads its own write from the
/// same controller. Then the client is answered anyway.
pub const OWN_WRITE_WAIT_MAX: Duration = Duration::from_millis(500);
/// Wait of a write for a leader to be known, and for what was surely not written to be tried again. Then it fails with
/// `UNAVAILABLE`.
pub const LEADER_WAIT_MAX: Duration = Duration::from_secs(2);
/// Wait between two turns to place a write, where the leader is known and yet refuses.
pub const LEADER_RETRY: Duration = Duration::from_millis(20);
/// Wait for the leader's answer to a forwarded write; then its fate isn't known.
pub const FORWARD_MAX: Duration = Duration::from_secs(15);
/// The same once another one leads: what the old one still committed is answered by then, if it is answered at all.
pub const FORWARD_GRACE: Duration = Duration::from_millis(500);
/// Turns of a RunTask whose instances were taken by others in the meantime. Then the client is told to retry.
pub const REBIND_MAX: usize = 5;

// --- The control plane itself ----------------------------------------------------------------------------------

/// Wait for another controller to tell its status; then it is shown as unreachable.
pub const STATUS_PEER_MAX: Duration = Duration::from_millis(500);
/// Wait for a change of the membership or of the leader; then it isn't known whether it took place.
pub const MEMBERSHIP_MAX: Duration = Duration::from_secs(10);
/// Wait before a new controller asks again to be added.
pub const JOIN_RETRY: Duration = Duration::from_millis(500);
/// How often is looked whether the disk's files are still there.
pub const DISK_LOOK: Duration = Duration::from_secs(1);
/// How often a controller without a leader asks who its peers are.
pub const FOREIGN_LOOK: Duration = Duration::from_millis(500);
/// Time without a leader before that: an election takes less.
pub const FOREIGN_LEADERLESS_MIN: Duration = Duration::from_secs(2);
/// Wait for the answer.
pub const FOREIGN_ASK_MAX: Duration = Duration::from_secs(1);

// --- The API's port --------------------------------------------------------------------------------------------

/// Bytes of one request. A larger one is refused with `OUT_OF_RANGE`, unread.
pub const API_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Connections to the AWS port that are served at once, and no more than half the files that the process may have open: one
/// that is idle costs some 20 KiB. One more gets HTTP 503 with AWS's `ThrottlingException`.
pub const AWS_CONNECTIONS_MAX: usize = 10_000;
/// Connections to the AWS port that are being refused at once, and no more than a sixteenth of the files. One more isn't
/// taken yet: the system keeps it.
pub const AWS_REFUSALS_MAX: usize = 1_024;
/// Wait for a refused client to send its headers, and then to take the answer; then the connection is closed.
pub const AWS_REFUSED_MAX: Duration = Duration::from_secs(5);
/// Bytes that are read and forgotten of a refused client, so that it can read the answer: a whole request of the largest kind.
pub const AWS_REFUSED_READ_MAX: usize = API_MESSAGE_BYTES_MAX + AWS_HEAD_BYTES_MAX;
/// Bytes of a request's headers on the AWS wire. More is refused with HTTP 431.
pub const AWS_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Wait for the headers of a request on the AWS wire, from the begin of the connection or from the answer before: then the
/// connection is closed. AWS's load balancers close idle connections after the same time, so clients know it.
pub const AWS_HEAD_MAX: Duration = Duration::from_secs(60);
/// A client of the AWS wire that takes nothing of its answer for this long loses its connection.
pub const AWS_STALL_MAX: Duration = Duration::from_secs(30);
/// Wait after a connection to the AWS port couldn't be taken for want of files or memory.
pub const AWS_ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// Bytes of bodies and of answers that the AWS wire holds, above which no more requests begin: they are refused with
/// `ThrottlingException`. Ten thousand requests at once for a hundred tasks each would hold gigabytes.
pub const AWS_HELD_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Files that the process asks to have open: enough for [`drydock_leader::limits::SESSIONS_MAX`] and [`AWS_CONNECTIONS_MAX`] together.
pub const FILES_WANTED: u64 = 65_536;
/// Wait for the body of a request on the AWS wire.
pub const AWS_BODY_MAX: Duration = Duration::from_secs(30);
/// Bytes of a body on the AWS wire that are read at most, to refuse it; then the connection is closed.
pub const AWS_BODY_READ_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a file of keys. A larger one is refused at the start.
pub const AWS_KEYS_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Characters of an IAM user's name (IAM's own bound), which is that of a profile in a file of keys. A longer one is refused
/// at the start.
pub const IAM_USER_NAME_CHARS_MAX: usize = 64;
/// How far a signature's time may be from the controller's, in either direction. Beyond, the request is refused with
/// `InvalidSignatureException`.
pub const AWS_SIGNATURE_SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// Regions whose token buckets aren't full, with `aws: { throttling: true }`. A request for one more is throttled until one is.
pub const AWS_THROTTLED_REGIONS_MAX: usize = 1_000;
/// Bytes of one answer: 100 described tasks with all they have are well below.
pub const API_RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Requests and streams at once on one connection. More wait on the client's side.
pub const API_CONCURRENT_STREAMS_MAX: u32 = 2_000;
/// HTTP/2 flow-control window of a stream, in bytes; a connection has four of these.
pub const API_WINDOW_BYTES: u32 = 256 * 1024;
/// A ping goes out on a connection this often.
pub const API_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// A connection without an answer to a ping for this long is closed.
pub const API_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// As [`API_CONCURRENT_STREAMS_MAX`], for a peer.
pub const PEER_CONCURRENT_STREAMS_MAX: u32 = 8_000;
/// Requests under way at a clean stop have so long to end; then their connections are closed.
pub const STOP_GRACE: Duration = Duration::from_secs(2);
/// Worker threads of the runtime: one for each core of a small machine.
pub const RUNTIME_WORKERS: usize = 2;
/// Threads for what may block (opening disks, reading snapshots). More work waits.
pub const RUNTIME_BLOCKING_THREADS_MAX: usize = 16;
