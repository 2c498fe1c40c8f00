//! The foreign issuer over real TCP, spoken to as a switch does in ISO 8583:1993.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use codecs::frame::{Frame, FrameCodec, Framed, Framing};
use codecs::value::{
    Currency, LocalDateTime, LocalTime, Minor, MonthDay, Number, Opaque, PinBlock, ProcessingCode, Stan, Text,
    YearMonthDay,
};
use codecs::{Builder, Dialect, Message, Mti, de};
use futures::{SinkExt, StreamExt};
use pos_sim::card::{Card, TrackImage};
use pos_sim::chip::{IssuerAuthentication, TerminalData};
use pos_sim::crypto::TdesKey;
use pos_sim::crypto::pin_block::format_0;
use pos_sim::issuer::Issuer;
use pos_sim::issuer::fault::Fault;
use support::{Folder, ZONE_KEY, dialect, world};
use tokio::net::TcpStream;
use tokio_util::codec::Framed as FramedStream;

const TODAY: MonthDay = MonthDay { month: 11, day: 20 };
const AT: LocalDateTime = LocalDateTime { year: 26, date: TODAY, time: LocalTime { hour: 10, minute: 15, second: 30 } };

struct Switch {
    frames: FramedStream<TcpStream, FrameCodec>,
    dialect: Arc<Dialect>,
}

impl Switch {
    async fn to(issuer: &Issuer) -> Self {
        let stream = TcpStream::connect(issuer.address()).await.unwrap();
        let codec = Framing::named("ascii4").unwrap().codec(60_000);
        Self { frames: FramedStream::new(stream, codec), dialect: dialect("iso93-ascii") }
    }

    fn message(&self, mti: &[u8; 4], stan: u32) -> Builder {
        let mut b = Builder::new(&self.dialect, Mti::of(mti));
        b.put::<de::Stan>(Stan(stan)).put::<de::v93::LocalDateTime>(AT);
        b
    }

    fn purchase(&self, card: &Card, stan: u32, amount: i64) -> Builder {
        let mut b = self.message(b"1200", stan);
        b.put::<de::Pan>(card.pan.clone())
            .put::<de::ProcessingCode>(ProcessingCode::PURCHASE)
            .put::<de::Amount>(Minor(amount))
            .put::<de::v93::PosData>(Text::new("210101200001").unwrap())
            .put::<de::FunctionCode>(Number(200))
            .put::<de::Track2>(card.track(TrackImage::Stripe))
            .put::<de::Currency>(Currency::EUR);
        b
    }

    fn reversal(&self, stan: u32, of: u32) -> Builder {
        let mut b = self.message(b"1420", stan);
        b.put::<de::Amount>(Minor(1)).put::<de::FunctionCode>(Number(400));
        b.put::<de::OriginalData93>(Opaque::text(&format!("1200{}{AT}06400012", Stan(of))));
        b
    }

    async fn send(&mut self, message: &Builder) {
        self.frames.send(Frame::Message(Framed::bare(message.encode().unwrap()))).await.unwrap();
    }

    async fn answer(&mut self) -> Option<Message> {
        let waited = tokio::time::timeout(Duration::from_millis(150), self.frames.next()).await.ok()?;
        let Frame::Message(framed) = waited.unwrap().unwrap() else { panic!("not a message") };
        Some(Message::decode(&self.dialect, framed.body).unwrap())
    }

    async fn ask(&mut self, message: &Builder) -> u32 {
        self.send(message).await;
        let answer = self.answer().await.expect("an answer");
        assert_eq!(answer.mti(), message.mti().answer());
        answer.require::<de::v93::ActionCode>().unwrap().0
    }
}

#[tokio::test]
async fn it_signs_on_approves_declines_and_reverses() {
    let folder = Folder::new("issuer");
    let nobody = "127.0.0.1:1".parse().unwrap();
    let world = world(&folder, nobody, nobody, &[]).await;
    let issuer = world.issuer.as_ref().unwrap();
    let mut switch = Switch::to(issuer).await;
    let mut sign_on = switch.message(b"1804", 1);
    sign_on.put::<de::FunctionCode>(Number(801));
    assert_eq!(switch.ask(&sign_on).await, 800);
    let card = world.card("foreign").unwrap();
    let before = issuer.available(&card).unwrap().0;
    assert_eq!(switch.ask(&switch.purchase(&card, 2, 3300)).await, 0);
    assert_eq!(issuer.available(&card).unwrap().0, before - 3300);
    let poor = world.card("foreign poor").unwrap();
    assert_eq!(switch.ask(&switch.purchase(&poor, 3, 3300)).await, 116);
    let expired = world.card("foreign expired").unwrap();
    assert_eq!(switch.ask(&switch.purchase(&expired, 4, 100)).await, 101);
    assert_eq!(switch.ask(&switch.reversal(5, 2)).await, 400);
    assert_eq!(issuer.available(&card).unwrap().0, before);
    assert!(issuer.approvals().iter().all(|entry| entry.reversed));
}

#[tokio::test]
async fn a_chip_with_a_pin_is_verified_and_gets_its_proof() {
    let folder = Folder::new("issuer-chip");
    let nobody = "127.0.0.1:1".parse().unwrap();
    let world = world(&folder, nobody, nobody, &[]).await;
    let mut switch = Switch::to(world.issuer.as_ref().unwrap()).await;
    let card = world.card("foreign").unwrap();
    world.write_directory(&folder.0).unwrap();
    let rows: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.file("cards.json")).unwrap()).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["note"] == "foreign").unwrap();
    let (pin, number) = (row["pin"].as_str().unwrap(), row["pan"].as_str().unwrap());
    let signed = card.chip.sign(&TerminalData {
        amount: Minor(4200),
        currency: Currency::EUR,
        country: 528,
        date: YearMonthDay { year: 26, date: TODAY },
        transaction: 0,
        online_pin: true,
        unpredictable: [7; 4],
    });
    let chip = |switch: &Switch, stan, pin: &str| {
        let block = format_0(&TdesKey::from_hex(ZONE_KEY).unwrap(), number, pin).unwrap();
        let mut b = switch.purchase(&card, stan, 4200);
        b.put::<de::v93::PosData>(Text::new("510101513001").unwrap())
            .put::<de::Track2>(card.track(TrackImage::Chip))
            .put::<de::PinBlock>(PinBlock::new(&block).unwrap())
            .put::<de::Icc>(Opaque::new(signed.element()));
        b
    };
    let request = chip(&switch, 1, pin);
    switch.send(&request).await;
    let answer = switch.answer().await.unwrap();
    assert_eq!(answer.require::<de::v93::ActionCode>().unwrap().0, 0);
    let data = answer.require::<de::Icc>().unwrap();
    assert_eq!(signed.check(Some(data.bytes())), IssuerAuthentication::Genuine { approves: true });
    // the same cryptogram under another trace number is a replay
    let replayed = chip(&switch, 2, pin);
    assert_eq!(switch.ask(&replayed).await, 129);
}

#[tokio::test]
async fn it_misbehaves_on_order_and_writes_down_what_it_did() {
    let folder = Folder::new("issuer-faults");
    let nobody = "127.0.0.1:1".parse().unwrap();
    let world = world(&folder, nobody, nobody, &[]).await;
    let issuer = world.issuer.as_ref().unwrap();
    let mut switch = Switch::to(issuer).await;
    let card = world.card("foreign").unwrap();
    issuer.order_fault(Fault::SwallowAnswer);
    issuer.order_fault(Fault::DelayAnswer(Duration::from_millis(300)));
    issuer.ignore_reversals(1);
    let swallowed = switch.purchase(&card, 1, 100);
    switch.send(&swallowed).await;
    assert!(switch.answer().await.is_none());
    let reversal = switch.reversal(2, 1);
    switch.send(&reversal).await;
    assert!(switch.answer().await.is_none(), "the first reversal is ignored");
    assert_eq!(switch.ask(&reversal).await, 400);
    let delayed = switch.purchase(&card, 3, 100);
    switch.send(&delayed).await;
    assert!(switch.answer().await.is_none());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(switch.answer().await.is_some(), "it comes, but late");
    let seen: Vec<String> = issuer
        .link_messages()
        .iter()
        .map(|s| {
            let original = s.original.map_or_else(String::new, |(mti, stan)| format!(" of {mti} {stan}"));
            format!("{:?} {} {}{original}", s.direction, s.mti, s.stan.unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            "Received 1200 000001",
            "Swallowed 1210 000001",
            "Ignored 1420 000002 of 1200 000001",
            "Received 1420 000002 of 1200 000001",
            "Sent 1430 000002 of 1200 000001",
            "Received 1200 000003",
            "Sent 1210 000003",
        ]
    );
}
