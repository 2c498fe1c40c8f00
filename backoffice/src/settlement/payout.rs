//! The payout file for the bank: ISO 20022 customer credit transfer initiation, pain.001.001.09. Pure.

use std::io;

use codecs::value::Minor;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::Payer;
use super::export::BatchHead;

/// One merchant to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    pub merchant: String,
    pub name: String,
    pub iban: String,
    pub minor: i64,
}

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// The payout file; `None` if nobody is paid, because the format requires a payment.
///
/// # Errors
/// None in practice: it writes to memory.
pub fn payout_xml(head: &BatchHead, payer: &Payer, payees: &[Payee]) -> io::Result<Option<Vec<u8>>> {
    if payees.is_empty() {
        return Ok(None);
    }
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("Document").with_attribute(("xmlns", NAMESPACE)).write_inner_content(|inner| {
        inner.create_element("CstmrCdtTrfInitn").write_inner_content(|inner| {
            let sum = head.currency.decimal(Minor(payees.iter().map(|payee| payee.minor).sum()));
            group_header(inner, head, payer, payees.len(), &sum)?;
            payment(inner, head, payer, payees, &sum)
        })?;
        Ok(())
    })?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(Some(bytes))
}

type Out = Writer<Vec<u8>>;

fn text(out: &mut Out, name: &str, value: &str) -> io::Result<()> {
    out.create_element(name).write_text_content(BytesText::new(value)).map(|_| ())
}

/// Writes nested elements around one text: `CdtrAcct/Id/IBAN`.
fn nested(out: &mut Out, path: &[&str], value: &str) -> io::Result<()> {
    match path {
        [] => Ok(()),
        [last] => text(out, last, value),
        [first, rest @ ..] => {
            out.create_element(*first).write_inner_content(|inner| nested(inner, rest, value)).map(|_| ())
        }
    }
}

fn group_header(out: &mut Out, head: &BatchHead, payer: &Payer, count: usize, sum: &str) -> io::Result<()> {
    out.create_element("GrpHdr").write_inner_content(|header| {
        text(header, "MsgId", &head.batch_id)?;
        text(header, "CreDtTm", &head.closed_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())?;
        text(header, "NbOfTxs", &count.to_string())?;
        text(header, "CtrlSum", sum)?;
        nested(header, &["InitgPty", "Nm"], &clip(&payer.name, 70))
    })?;
    Ok(())
}

fn payment(out: &mut Out, head: &BatchHead, payer: &Payer, payees: &[Payee], sum: &str) -> io::Result<()> {
    out.create_element("PmtInf").write_inner_content(|info| {
        text(info, "PmtInfId", &format!("{}-1", head.batch_id))?;
        text(info, "PmtMtd", "TRF")?;
        text(info, "BtchBookg", "true")?;
        text(info, "NbOfTxs", &payees.len().to_string())?;
        text(info, "CtrlSum", sum)?;
        nested(info, &["PmtTpInf", "SvcLvl", "Cd"], "SEPA")?;
        nested(info, &["ReqdExctnDt", "Dt"], &head.value_date.to_string())?;
        nested(info, &["Dbtr", "Nm"], &clip(&payer.name, 70))?;
        nested(info, &["DbtrAcct", "Id", "IBAN"], &payer.iban)?;
        nested(info, &["DbtrAgt", "FinInstnId", "BICFI"], &payer.bic)?;
        text(info, "ChrgBr", "SLEV")?;
        payees.iter().try_for_each(|payee| transfer(info, head, payee))
    })?;
    Ok(())
}

fn transfer(out: &mut Out, head: &BatchHead, payee: &Payee) -> io::Result<()> {
    out.create_element("CdtTrfTxInf").write_inner_content(|of| {
        nested(of, &["PmtId", "EndToEndId"], &clip(&head.payout_reference(&payee.merchant), 35))?;
        of.create_element("Amt").write_inner_content(|amount| {
            let decimal = head.currency.decimal(Minor(payee.minor));
            let element = amount.create_element("InstdAmt").with_attribute(("Ccy", head.currency.to_string().as_str()));
            element.write_text_content(BytesText::new(&decimal))?;
            Ok(())
        })?;
        nested(of, &["Cdtr", "Nm"], &clip(&payee.name, 70))?;
        nested(of, &["CdtrAcct", "Id", "IBAN"], &payee.iban)?;
        let remittance = format!("Card settlement {} {}", head.cycle, payee.merchant);
        nested(of, &["RmtInf", "Ustrd"], &clip(&remittance, 140))
    })?;
    Ok(())
}

/// Cuts a text to a number of characters, in which the standard gives its limits.
fn clip(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Whether a text is an IBAN: country, valid check digits (ISO 13616, modulo 97), up to thirty more characters.
#[must_use]
pub fn iban_holds(text: &str) -> bool {
    let bytes = text.as_bytes();
    let formed = (15..=34).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    formed
        && bytes[4..].iter().chain(&bytes[..4]).fold(0u32, |rest, byte| match byte {
            b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
            letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
        }) == 1
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;

    use super::super::export::tests::head;
    use super::*;

    fn payer() -> Payer {
        Payer { name: "Switchyard Acquiring".into(), iban: "DE89370400440532013000".into(), bic: "COBADEFFXXX".into() }
    }

    fn payee(merchant: &str, name: &str, minor: i64) -> Payee {
        Payee { merchant: merchant.into(), name: name.into(), iban: "FR1420041010050500013M02606".into(), minor }
    }

    /// The texts of an XML document by their path, from an independent parser.
    fn read(xml: &[u8]) -> Vec<(String, String)> {
        let mut reader = Reader::from_reader(xml);
        let (mut path, mut texts) = (Vec::new(), Vec::new());
        let mut value = String::new();
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(start) => {
                    path.push(start.name().as_ref().to_owned());
                    value.clear();
                }
                Event::Text(text) => value.push_str(&text),
                Event::GeneralRef(reference) => {
                    let entity = reference.to_string();
                    value.push_str(quick_xml::escape::resolve_predefined_entity(&entity).expect("one of the five"));
                }
                Event::End(_) => {
                    // white space between elements is indentation
                    if !value.trim().is_empty() {
                        texts.push((path.join("/"), value.clone()));
                    }
                    value.clear();
                    path.pop();
                }
                Event::Eof => return texts,
                _ => {}
            }
        }
    }

    #[test]
    fn a_payout_reads_back_and_adds_up() {
        let payees = [payee("SWYD00000000001", "Bread & <Butter>", 97_700), payee("SWYD00000000002", "Café", 5)];
        let xml = payout_xml(&head(), &payer(), &payees).unwrap().unwrap();
        let texts = read(&xml);
        let all = |end: &str| -> Vec<&str> {
            texts.iter().filter(|(path, _)| path.ends_with(end)).map(|(_, text)| text.as_str()).collect()
        };
        assert_eq!(all("NbOfTxs"), ["2", "2"]);
        assert_eq!(all("CtrlSum"), ["977.05", "977.05"]);
        assert_eq!(all("InstdAmt"), ["977.00", "0.05"]);
        assert_eq!(all("CdtTrfTxInf/Cdtr/Nm"), ["Bread & <Butter>", "Café"]);
        assert_eq!(all("EndToEndId"), ["20261120-EUR-SWYD00000000001", "20261120-EUR-SWYD00000000002"]);
        assert_eq!(all("ReqdExctnDt/Dt"), ["2026-11-23"]);
        assert_eq!(all("GrpHdr/CreDtTm"), ["2026-11-20T22:00:00Z"]);
        assert!(all("EndToEndId").iter().all(|id| id.len() <= 35));
        assert!(String::from_utf8(xml).unwrap().contains(NAMESPACE));
    }

    #[test]
    fn nobody_to_pay_is_no_file() {
        assert_eq!(payout_xml(&head(), &payer(), &[]).unwrap(), None);
    }

    #[test]
    fn a_mistyped_iban_is_noticed() {
        for (iban, holds) in [
            ("DE89370400440532013000", true),
            ("FR1420041010050500013M02606", true),
            ("DE89370400440532013001", false),
            ("DE98370400440532013000", false),
            ("de89370400440532013000", false),
            ("DE89", false),
            ("", false),
        ] {
            assert_eq!(iban_holds(iban), holds, "{iban}");
        }
    }
}
