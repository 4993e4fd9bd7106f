//! How 169.254.170.2:80 comes into a task's own network namespace: a thread enters it, gives the address to the loopback
//! device, opens a socket there and has the kernel lead the address's port 80 to it. The socket is then served by this
//! process, so that a connection's namespace says whose it is.
//!
//! The socket itself listens on a port that ECS keeps for its agent: on port 80 it would take that port from the task's
//! own containers. Needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN), the machine's own process ids, and `nft` or `iptables`,
//! which Docker needs, too.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;

/// The address that AWS's SDKs and ECS's documentation have.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
/// Where the socket listens in the namespace: one of the ports that ECS's agent keeps for itself (ecs-semantics §2.4).
pub(crate) const PORT: u16 = 51_679;

/// Opens the socket in the network namespace of a container's process. What an earlier agent left there is taken over.
///
/// # Errors
/// The process is gone, or this one may not enter its namespace: why.
pub(crate) async fn listen(container_id: &str, pid: i64) -> io::Result<TcpListener> {
    let container_id = container_id.to_owned();
    let (done, opened) = oneshot::channel();
    // A thread of its own that ends with this: one that has been in another namespace must do nothing else.
    let thread = std::thread::Builder::new().name("namespace".into());
    thread.spawn(move || {
        // Nobody waits any more: the socket is closed again.
        let _ = done.send(enter_and_listen(&container_id, pid));
    })?;
    opened.await.map_err(io::Error::other)?
}

fn enter_and_listen(container_id: &str, pid: i64) -> io::Result<TcpListener> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    // The process may have ended and its id be another's, and Docker may count the processes of another machine.
    if !std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?.contains(container_id) {
        return Err(io::Error::other(format!("process {pid} isn't of the container")));
    }
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    add_address()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))?;
    listener.set_nonblocking(true)?;
    redirect()?;
    Ok(listener)
}

/// Gives [`ADDRESS`] to the loopback device, which is the first of every namespace, by rtnetlink(7).
fn add_address() -> io::Result<()> {
    const RTM_NEWADDR: u16 = 20;
    /// NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE and NLM_F_REPLACE.
    const FLAGS: u16 = 0x1 | 0x4 | 0x400 | 0x100;
    const LOOPBACK_INDEX: u32 = 1;
    /// RT_SCOPE_HOST: it is never a source address of what leaves the namespace.
    const SCOPE_HOST: u8 = 254;
    const AF_INET: u8 = 2;
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    /// Header, ifaddrmsg, two attributes of 4 bytes.
    const BYTES: u32 = 16 + 8 + 2 * 8;
    const NLMSG_ERROR: u16 = 2;

    let mut message = Vec::new();
    message.extend(BYTES.to_ne_bytes());
    message.extend(RTM_NEWADDR.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend([0; 8]); // no sequence, no port id
    message.extend([AF_INET, 32, 0, SCOPE_HOST]);
    message.extend(LOOPBACK_INDEX.to_ne_bytes());
    for attribute in [IFA_LOCAL, IFA_ADDRESS] {
        message.extend(8_u16.to_ne_bytes());
        message.extend(attribute.to_ne_bytes());
        message.extend(ADDRESS.octets());
    }
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0_u8; 256];
    let (received, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    let odd = || io::Error::other("an answer of rtnetlink that isn't one");
    let answer = answer.get(..received).ok_or_else(odd)?;
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, code) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(odd()),
    }
}

/// Leads port 80 of [`ADDRESS`] to [`PORT`], for what is sent in this namespace.
fn redirect() -> io::Result<()> {
    match by_nft() {
        Ok(()) => Ok(()),
        Err(nft) => by_iptables().map_err(|iptables| io::Error::other(format!("nft: {nft}; iptables: {iptables}"))),
    }
}

fn by_nft() -> io::Result<()> {
    let rules = format!(
        "add table ip drydock\n\
         add chain ip drydock output {{ type nat hook output priority -100; }}\n\
         flush chain ip drydock output\n\
         add rule ip drydock output ip daddr {ADDRESS} tcp dport 80 redirect to :{PORT}\n"
    );
    run(program("nft").args(["-f", "-"]), &rules)
}

fn by_iptables() -> io::Result<()> {
    let address = format!("{ADDRESS}/32");
    let port = PORT.to_string();
    let rule = ["-d", &address, "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", &port];
    let there = run(program("iptables").args(["-w", "5", "-t", "nat", "-C", "OUTPUT"]).args(rule), "");
    match there {
        Ok(()) => Ok(()),
        Err(_) => run(program("iptables").args(["-w", "5", "-t", "nat", "-A", "OUTPUT"]).args(rule), ""),
    }
}

/// A program of the system's administrators, whose folders an agent that isn't started by one has not in its PATH.
fn program(name: &str) -> Command {
    const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];
    let mut paths = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
    Command::new(paths.find(|path| path.exists()).unwrap_or_else(|| name.into()))
}

/// Runs a program of this thread's namespace; its first line of complaint is the error.
fn run(command: &mut Command, input: &str) -> io::Result<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let ended = child.wait_with_output()?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(io::Error::other(said.lines().next().unwrap_or("it failed without a word").to_owned()))
}
