//! What becomes of lines that nobody reads.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, channel};

use super::{LINES_MAX, Queue};

/// Takes nothing before it is told to.
struct Stuck<W>(Option<Receiver<()>>, W);

impl<W: Write> Write for Stuck<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(gate) = self.0.take() {
            let _ = gate.recv();
        }
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

#[test]
fn lines_that_nobody_reads_hold_nobody_up_and_are_counted() {
    let (mut read, write) = io::pipe().unwrap();
    let (open, gate) = channel();
    let queue = Queue::start(Stuck(Some(gate), write)).unwrap();
    for number in 0..3 * LINES_MAX {
        queue.send(format!("line {number}\n").as_bytes());
    }
    // The end does not wait for ever either.
    assert!(!queue.finish());
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        read.read_to_string(&mut text).map(|_| text)
    });
    open.send(()).unwrap();
    while !queue.finish() {}
    drop(queue);
    let text = reader.join().unwrap().unwrap();
    assert!(text.starts_with("line 0\n"), "{}", &text[..100]);
    let lost: Vec<&str> = text.lines().filter(|line| line.contains("are missing here")).collect();
    let kept = text.lines().filter(|line| line.starts_with("line ")).count();
    let count: usize = lost[0].split(' ').next().unwrap().parse().unwrap();
    assert_eq!((lost.len(), kept + count), (1, 3 * LINES_MAX));
}

#[test]
fn what_was_said_is_written_before_the_end() {
    let (mut read, write) = io::pipe().unwrap();
    let queue = Queue::start(write).unwrap();
    for number in 0..100 {
        queue.send(format!("line {number}\n").as_bytes());
    }
    assert!(queue.finish());
    drop(queue);
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 100);
}
