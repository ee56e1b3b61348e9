//! The memory of a stack's function processes.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// The memory of each function in KiB: the largest of its processes. `field` is `VmHWM`, the peak, or
/// `VmRSS`.
pub(crate) fn of_functions(field: &str) -> BTreeMap<String, u64> {
    let stack = PathBuf::from(std::env::var_os("STACK_FILE").expect("STACK_FILE"));
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(stack);
    let folder = folder.parent().unwrap().join("emulator").canonicalize().unwrap();
    let mut memory = BTreeMap::new();
    for process in fs::read_dir("/proc").expect("this test needs Linux").flatten() {
        let read = |file: &str| fs::read(process.path().join(file)).unwrap_or_default();
        if !fs::read_link(process.path().join("exe")).is_ok_and(|program| program.starts_with(&folder)) {
            continue;
        }
        let (environment, status) = (read("environ"), read("status"));
        let mut variables = environment.split(|byte| *byte == 0).filter_map(|one| str::from_utf8(one).ok());
        let name = variables.find_map(|one| one.strip_prefix("AWS_LAMBDA_FUNCTION_NAME="));
        let status = String::from_utf8_lossy(&status);
        let used = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let used = used.and_then(|used| used.trim().trim_end_matches(" kB").parse::<u64>().ok());
        if let (Some(name), Some(used)) = (name, used) {
            // shared-inbox-OutboundSendFunction-D2E5A4D71228E
            let name = name.split('-').rev().nth(1).unwrap_or(name).to_owned();
            let known = memory.entry(name).or_default();
            *known = used.max(*known);
        }
    }
    memory
}

/// Raises what is known of each function to the present memory.
pub(crate) fn raise(known: &mut BTreeMap<String, u64>, field: &str) {
    for (function, used) in of_functions(field) {
        let known = known.entry(function).or_default();
        *known = used.max(*known);
    }
}
