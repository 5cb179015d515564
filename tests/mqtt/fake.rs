//! A broker that says what no real one can be made to say.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::running::LIMIT;

/// A listener on a free port.
pub fn listen() -> (TcpListener, u16) {
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listening.local_addr().expect("bound").port();
    (listening, port)
}

/// The next client, who must come in time and whose bytes must, too.
pub fn accept(listening: &TcpListener) -> TcpStream {
    listening.set_nonblocking(true).expect("set");
    let end = Instant::now() + LIMIT;
    let peer = loop {
        match listening.accept() {
            Ok((peer, _)) => break peer,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(Instant::now() < end, "no client came in time");
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("no client: {error}"),
        }
    };
    peer.set_nonblocking(false).expect("set");
    // Else a last word may be held back, and then dropped with the connection.
    peer.set_nodelay(true).expect("set");
    peer.set_read_timeout(Some(LIMIT)).expect("set");
    peer
}

/// CONNACK that takes a client in: MQTT 3.1.1 (3.2.2.3).
pub const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
/// The same in MQTT 5, without a word more (3.2.2).
pub const ACCEPTED_V5: [u8; 5] = [0x20, 3, 0, 0, 0];

/// The next client, whose CONNECT is answered like this.
pub fn welcome(listening: &TcpListener, answer: &[u8]) -> TcpStream {
    let mut peer = accept(listening);
    packet(&mut peer).expect("CONNECT");
    peer.write_all(answer).expect("it listens");
    peer
}

/// PUBACK in both protocols: a reason that is left out is success (5: 3.4.2.1).
pub fn acknowledge(peer: &mut TcpStream, id: [u8; 2]) {
    peer.write_all(&[0x40, 2, id[0], id[1]]).expect("it listens");
}

/// Types of packets, in the upper half of their first byte.
pub const SUBSCRIBE: u8 = 8;
pub const UNSUBSCRIBE: u8 = 10;

/// SUBACK of MQTT 3.1.1 with QoS 0 or, where it is not taken, Failure (3.9.3).
pub fn answer_subscribe(peer: &mut TcpStream, subscribe: &[u8], taken: bool) {
    let code = if taken { 0 } else { 0x80 };
    peer.write_all(&[0x90, 3, subscribe[0], subscribe[1], code]).expect("it listens");
}

/// First byte and body of the next packet; none when the client has left.
pub fn packet(peer: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut next = || {
        let mut byte = [0];
        peer.read_exact(&mut byte).ok().map(|()| byte[0])
    };
    let first = next()?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = next()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    peer.read_exact(&mut body).ok()?;
    Some((first, body))
}

/// Packet id of a PUBLISH at QoS 1, none for any other packet.
pub fn publish_id(first: u8, body: &[u8]) -> Option<[u8; 2]> {
    let topic = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
    (first >> 4 == 3 && first & 6 == 2).then(|| [body[2 + topic], body[3 + topic]])
}
