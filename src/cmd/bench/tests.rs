//! What is written against docs/ref/bench.md, which is a contract.

#[path = "../../../tests/reference/mod.rs"]
mod reference;

use super::*;

/// Made here: a run with all parts takes minutes where it is not optimised.
#[test]
fn the_page_names_every_key_and_no_other() {
    let stage = Stage { name: "capture", p50_ms: 0.1, p95_ms: 0.2 };
    let report = Report {
        model: "a@1.0.0+0c5af8f0".to_owned(),
        fps: 20.0,
        cpu_ms_per_frame: 50.0,
        peak_rss_mb: 60.0,
        runs: vec![Run {
            input: INPUTS[0],
            threads: 1,
            fps: 20.0,
            cpu_ms_per_frame: 50.0,
            overhead: 0.1,
            stages: vec![stage.clone()],
        }],
        stages: vec![stage],
        threads: Threads { tried: vec![1], best: 1 },
        viewer: vec![Viewer {
            input: INPUTS[0],
            cpu_ms_per_picture: 5.0,
            core: 0.05,
            bytes: 30_000,
        }],
        still: Some(Still { looking_cpu_ms_per_s: 600.0, idle_cpu_ms_per_s: 20.0, ratio: 30.0 }),
        situations: vec![Situation {
            name: "nobody",
            cpu_ms_per_s: 20.0,
            ratio: 0.03,
            followed: 0,
            whole_per_s: 0.1,
            tiles_per_s: 0.2,
            faces_per_s: 0.0,
            cost_per_s: 0.3,
        }],
    };
    let told = serde_json::to_value(&report).expect("JSON");
    reference::names_the_keys(include_str!("../../../docs/ref/bench.md"), &told);
}
