//! Network captures: the bytes that each side of each TCP connection sent, in order.
//!
//! The reader is written here because two simple file formats and a little of IP and TCP are less code than a capture
//! library would add to every program that reads ISO 8583.

use super::Stream;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The streams of a capture, in the order of their first packets; `None` if the input is no capture.
pub(super) fn streams(input: &[u8]) -> Option<Vec<Stream>> {
    let packets = match input.first_chunk::<4>()? {
        [0xA1, 0xB2, 0xC3, 0xD4] | [0xA1, 0xB2, 0x3C, 0x4D] => classic(input, Order::Big),
        [0xD4, 0xC3, 0xB2, 0xA1] | [0x4D, 0x3C, 0xB2, 0xA1] => classic(input, Order::Little),
        [0x0A, 0x0D, 0x0D, 0x0A] => blocks(input),
        _ => return None,
    };
    let mut flows: Vec<(SocketAddr, SocketAddr, Flow)> = Vec::new();
    for (link, packet) in packets {
        let Some(segment) = ip_of(link, packet).and_then(segment) else { continue };
        let known = flows.iter().position(|(from, to, _)| *from == segment.from && *to == segment.to);
        let at = known.unwrap_or_else(|| {
            flows.push((segment.from, segment.to, Flow::default()));
            flows.len() - 1
        });
        flows[at].2.take(&segment);
    }
    let named =
        flows.into_iter().map(|(from, to, flow)| Stream { name: format!("{from} → {to}"), bytes: flow.bytes() });
    Some(named.filter(|stream| !stream.bytes.is_empty()).collect())
}

#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = bytes.get(at..)?.first_chunk::<2>()?;
        Some(match self {
            Self::Big => u16::from_be_bytes(*raw),
            Self::Little => u16::from_le_bytes(*raw),
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = bytes.get(at..)?.first_chunk::<4>()?;
        Some(match self {
            Self::Big => u32::from_be_bytes(*raw),
            Self::Little => u32::from_le_bytes(*raw),
        })
    }
}

/// Packets of a pcap file, each with its link type; a truncated record ends them.
fn classic(input: &[u8], order: Order) -> Vec<(u32, &[u8])> {
    let link = order.u32(input, 20).unwrap_or(0) & 0xFFFF;
    let mut packets = Vec::new();
    let mut at = 24;
    while let Some(length) = order.u32(input, at + 8) {
        let Some(packet) = input.get(at + 16..).and_then(|rest| rest.get(..length as usize)) else { break };
        packets.push((link, packet));
        at += 16 + packet.len();
    }
    packets
}

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const PACKET_OBSOLETE: u32 = 2;
const PACKET_SIMPLE: u32 = 3;
const PACKET: u32 = 6;

/// Packets of a pcapng file: blocks, of which the first gives the byte order.
fn blocks(input: &[u8]) -> Vec<(u32, &[u8])> {
    let mut packets = Vec::new();
    let mut links: Vec<u32> = Vec::new();
    let mut order = Order::Little;
    let mut rest = input;
    while rest.len() >= 12 {
        let section = rest.starts_with(&SECTION.to_be_bytes());
        if section {
            order = if rest[8..12] == [0x1A, 0x2B, 0x3C, 0x4D] { Order::Big } else { Order::Little };
            links.clear();
        }
        let (Some(kind), Some(length)) = (order.u32(rest, 0), order.u32(rest, 4)) else { break };
        let Some(block) = rest.get(..length as usize).filter(|block| block.len() >= 12) else { break };
        let link = |of: usize| links.get(of).copied().unwrap_or(1);
        let cut = |from: usize, length: Option<u32>| block.get(from..from + length? as usize);
        match kind {
            INTERFACE => links.push(u32::from(order.u16(block, 8).unwrap_or(1))),
            PACKET => {
                let of = order.u32(block, 8).unwrap_or(0) as usize;
                packets.extend(cut(28, order.u32(block, 20)).map(|packet| (link(of), packet)));
            }
            PACKET_OBSOLETE => {
                let of = usize::from(order.u16(block, 8).unwrap_or(0));
                packets.extend(cut(28, order.u32(block, 20)).map(|packet| (link(of), packet)));
            }
            PACKET_SIMPLE => {
                let length =
                    order.u32(block, 8).map(|length| length.min(block.len() as u32 - 16.min(block.len() as u32)));
                packets.extend(cut(12, length).map(|packet| (link(0), packet)));
            }
            _ => {}
        }
        rest = &rest[block.len()..];
    }
    packets
}

/// The IP packet in a packet of this link type (numbers of the tcpdump group).
fn ip_of(link: u32, packet: &[u8]) -> Option<&[u8]> {
    match link {
        1 => {
            let mut at = 12;
            while let 0x8100 | 0x88A8 | 0x9100 = Order::Big.u16(packet, at)? {
                at += 4;
            }
            matches!(Order::Big.u16(packet, at)?, 0x0800 | 0x86DD).then(|| packet.get(at + 2..))?
        }
        // loopback: four bytes with the address family
        0 | 108 => packet.get(4..),
        12 | 14 | 101 | 228 | 229 => Some(packet),
        113 => packet.get(16..),
        276 => packet.get(20..),
        _ => None,
    }
}

struct Segment<'p> {
    from: SocketAddr,
    to: SocketAddr,
    sequence: u32,
    opens: bool,
    data: &'p [u8],
}

fn segment(ip: &[u8]) -> Option<Segment<'_>> {
    let (from, to, tcp) = match ip.first()? >> 4 {
        4 => {
            let header = usize::from(ip[0] & 15) * 4;
            let total = usize::from(Order::Big.u16(ip, 2)?);
            // network cards with offloading leave the total length at zero
            let end = if total < header { ip.len() } else { total.min(ip.len()) };
            let fragment = Order::Big.u16(ip, 6)? & 0x1FFF;
            let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(Order::Big.u32(ip, at)?)));
            let tcp = ip.get(header..end).filter(|_| ip.get(9) == Some(&6) && fragment == 0 && header >= 20)?;
            (address(12)?, address(16)?, tcp)
        }
        6 => {
            let address = |at: usize| Some(IpAddr::V6(Ipv6Addr::from(*ip.get(at..)?.first_chunk::<16>()?)));
            let end = (40 + usize::from(Order::Big.u16(ip, 4)?)).min(ip.len());
            let (mut next, mut at) = (*ip.get(6)?, 40);
            // hop-by-hop, routing and destination options come before TCP
            while let 0 | 43 | 60 = next {
                next = *ip.get(at)?;
                at += 8 + usize::from(*ip.get(at + 1)?) * 8;
            }
            (address(8)?, address(24)?, ip.get(at..end).filter(|_| next == 6)?)
        }
        _ => return None,
    };
    let port = |at: usize| Order::Big.u16(tcp, at);
    let data = tcp.get(usize::from(*tcp.get(12)? >> 4) * 4..)?;
    Some(Segment {
        from: SocketAddr::new(from, port(0)?),
        to: SocketAddr::new(to, port(2)?),
        sequence: Order::Big.u32(tcp, 4)?,
        opens: tcp.get(13)? & 2 != 0,
        data,
    })
}

/// The bytes that one side sent, by their distance from the first one seen.
#[derive(Default)]
struct Flow {
    first: Option<u32>,
    parts: BTreeMap<i64, Vec<u8>>,
}

impl Flow {
    fn take(&mut self, segment: &Segment<'_>) {
        // the opening segment itself takes one sequence number
        let sequence = segment.sequence.wrapping_add(u32::from(segment.opens));
        if segment.opens {
            self.first = Some(sequence);
            self.parts.clear();
        }
        if segment.data.is_empty() {
            return;
        }
        let first = *self.first.get_or_insert(sequence);
        let place = i64::from(sequence.wrapping_sub(first).cast_signed());
        let part = self.parts.entry(place).or_default();
        if segment.data.len() > part.len() {
            *part = segment.data.to_vec();
        }
    }

    /// The bytes without repetitions, up to the first that the capture missed.
    fn bytes(self) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        let Some((start, _)) = self.parts.first_key_value() else { return bytes };
        let start = *start;
        for (place, part) in &self.parts {
            let at = (place - start) as usize;
            if at > bytes.len() {
                break;
            }
            bytes.extend(part.get(bytes.len() - at..).unwrap_or_default());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with one TCP segment from port 5000 to port 8583.
    fn packet(sequence: u32, flags: u8, data: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 12];
        packet.extend([0x08, 0x00, 0x45, 0x00]);
        packet.extend((40 + data.len() as u16).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0x13, 0x88, 0x21, 0x87]);
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        packet.extend(data);
        packet
    }

    fn segments() -> [Vec<u8>; 5] {
        [
            packet(99, 2, b""),
            packet(104, 24, b"5678"),
            packet(100, 24, b"1234"),
            packet(102, 24, b"3456"),
            // after a gap
            packet(120, 24, b"lost"),
        ]
    }

    fn expected() -> Vec<Stream> {
        vec![Stream { name: "10.0.0.1:5000 → 10.0.0.2:8583".into(), bytes: b"12345678".to_vec() }]
    }

    #[test]
    fn a_capture_gives_the_bytes_in_their_order() {
        let mut file = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
        for packet in segments() {
            file.extend([0; 8]);
            file.extend((packet.len() as u32).to_le_bytes());
            file.extend((packet.len() as u32).to_le_bytes());
            file.extend(packet);
        }
        assert_eq!(streams(&file), Some(expected()));
        for cut in 0..file.len() {
            // a truncated capture yields what is there
            let _ = streams(&file[..cut]);
        }
    }

    #[test]
    fn a_capture_in_blocks_likewise() {
        let block = |kind: u32, body: &[u8]| {
            let padded = body.len().next_multiple_of(4);
            let length = (12 + padded as u32).to_le_bytes();
            let mut block = [&kind.to_le_bytes()[..], &length, body].concat();
            block.resize(8 + padded, 0);
            block.extend(length);
            block
        };
        let mut file = block(SECTION, &[0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        file.extend(block(INTERFACE, &[1, 0, 0, 0, 0, 0, 0, 0]));
        for packet in segments() {
            let length = (packet.len() as u32).to_le_bytes();
            file.extend(block(PACKET, &[&[0; 12][..], &length, &length, &packet].concat()));
        }
        assert_eq!(streams(&file), Some(expected()));
        for cut in 0..file.len() {
            let _ = streams(&file[..cut]);
        }
    }
}
