/** Numbers of the socket interface that Node does not name (Linux, the same on x86-64 and arm64). */

/** See socket(2). */
export const AF_INET = 2;
/** See socket(2). */
export const AF_INET6 = 10;
/** See socket(2); the two flags are added to the type. */
export const SOCK_STREAM = 1;
/** See socket(2). */
export const SOCK_NONBLOCK = 0x800;
/** See socket(2). */
export const SOCK_CLOEXEC = 0x80000;

/** See tcp(7). */
export const IPPROTO_TCP = 6;
/** The state of a listening socket (net/tcp_states.h). */
export const TCP_LISTEN = 10;

/** Level of the options of all sockets, socket(7). */
export const SOL_SOCKET = 1;
/** Bind while old connections of the port linger. */
export const SO_REUSEADDR = 2;
/** The pending error; reading clears it. */
export const SO_ERROR = 4;
/** Send buffer, bytes (the kernel doubles the value). */
export const SO_SNDBUF = 7;
/** Receive buffer, bytes (the kernel doubles the value). */
export const SO_RCVBUF = 8;
/** Probe a peer that is silent. */
export const SO_KEEPALIVE = 9;
/** TCP urgent bytes stay in the stream. */
export const SO_OOBINLINE = 10;
/** What close() does with unsent bytes. */
export const SO_LINGER = 13;
/** Several listeners share a port. */
export const SO_REUSEPORT = 15;
/** Only packets of one interface. */
export const SO_BINDTODEVICE = 25;
/** The firewall mark of a socket's packets. */
export const SO_MARK = 36;
/** The number by which BPF knows a socket's network namespace (64 bits). */
export const SO_NETNS_COOKIE = 71;

/** Level of ip(7) options. */
export const SOL_IP = 0;
/** Bind to and accept for addresses that are not this host's. */
export const IP_TRANSPARENT = 19;
/** Choose the port at connect(), when the whole tuple is known (ports can then be shared). */
export const IP_BIND_ADDRESS_NO_PORT = 24;
/** The part of the namespace's range in which the kernel looks for a port: first, and last << 16 (Linux 6.3). */
export const IP_LOCAL_PORT_RANGE = 51;

/** Level of tcp(7) options. */
export const SOL_TCP = 6;
/** Send small segments at once. */
export const TCP_NODELAY = 1;
/** Seconds of silence before the first probe. */
export const TCP_KEEPIDLE = 4;
/** Seconds between two probes. */
export const TCP_KEEPINTVL = 5;
/** Probes without an answer until the connection ends. */
export const TCP_KEEPCNT = 6;
/** What the kernel knows of a connection: struct tcp_info (linux/tcp.h). */
export const TCP_INFO = 11;
/** Milliseconds that sent bytes may go without an answer. */
export const TCP_USER_TIMEOUT = 18;

/** Level of ipv6(7) options. */
export const SOL_IPV6 = 41;
/** Whether an IPv6 socket refuses IPv4. */
export const IPV6_V6ONLY = 26;
/** As IP_TRANSPARENT. */
export const IPV6_TRANSPARENT = 75;

/** See epoll_ctl(2). */
export const EPOLLIN = 0x1;
/** See epoll_ctl(2). */
export const EPOLLPRI = 0x2;
/** See epoll_ctl(2). */
export const EPOLLOUT = 0x4;
/** See epoll_ctl(2). */
export const EPOLLERR = 0x8;
/** See epoll_ctl(2). */
export const EPOLLHUP = 0x10;
/** See epoll_ctl(2). */
export const EPOLLRDHUP = 0x2000;
/** See epoll_ctl(2): report changes, not states. */
export const EPOLLET: number = 1 << 31;
