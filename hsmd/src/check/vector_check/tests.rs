use super::*;
use crate::verbs::software::SoftwareModule;

/// Made with psec, pyemv and cryptography; keys and PANs drawn at random.
const COMPUTED: &str = include_str!("../../../tests/vectors/known-answers.json");
/// From standards and their supplements; the file names each source.
const PUBLISHED: &str = include_str!("../../../tests/vectors/published.json");

#[test]
fn the_software_double_gives_the_known_answers() {
    for (file, groups, at_least) in [(COMPUTED, 25, 8), (PUBLISHED, 7, 1)] {
        let Ok(Value::Object(vectors)) = serde_json::from_str(file) else { panic!("vectors are an object") };
        let mut failures = Vec::new();
        let tallies = run(&SoftwareModule::default(), &vectors, |group, number, why| {
            failures.push(format!("{group} {number}: {why}"))
        });
        assert_eq!(failures, Vec::<String>::new());
        let lists = vectors.values().filter(|value| value.is_array()).count();
        assert_eq!(tallies.len(), lists, "every group of the file is computed");
        assert!(lists >= groups && tallies.values().all(|tally| tally.of >= at_least));
        report(&tallies);
    }
}

/// Shows the compared vectors when the test is run with `--nocapture`.
#[allow(clippy::print_stdout, reason = "a test's report")]
fn report(tallies: &BTreeMap<String, Tally>) {
    for (group, tally) in tallies {
        println!("{group:<24} {:>3} of {}", tally.passed, tally.of);
    }
}

#[test]
fn a_wrong_answer_is_noticed_and_an_unknown_group_left_out() {
    let vectors = serde_json::json!({
        "visa_pvv": [
            {"pvk": "6EBC235852DF32672CAEA2CD5B0D8A4F", "pvki": "6", "pan": "3460553807823336", "pin": "4071", "pvv": "0459"},
            {"pvk": "6EBC235852DF32672CAEA2CD5B0D8A4F", "pvki": "6", "pan": "3460553807823336", "pin": "4071", "pvv": "0458"},
            {"pvk": "not hex", "pvki": "6", "pan": "3460553807823336", "pin": "4071", "pvv": "0458"}
        ],
        "something else": [{}]
    });
    let mut failures = Vec::new();
    let tallies = run(&SoftwareModule::default(), vectors.as_object().unwrap(), |group, number, why| {
        failures.push(format!("{group} {number} {why}"));
    });
    assert_eq!(tallies, BTreeMap::from([("visa_pvv".to_owned(), Tally { passed: 1, of: 3 })]));
    assert_eq!(failures, ["visa_pvv 1 pvv differs", "visa_pvv 2 no usable pvk"]);
}
