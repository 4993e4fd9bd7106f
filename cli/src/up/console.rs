//! What `up` says: lines on stdout, and a moving block on stderr below them while an example comes up. Notices of the
//! supervisor may come at any time and must not tear the block.

use std::cell::RefCell;

use crate::output::live::{Live, Progress};
use crate::output::{Screen, print};

/// Where `up` prints.
#[derive(Debug)]
pub struct Console {
    live: RefCell<Live>,
    moving: bool,
}

impl Console {
    /// On this process's terminal, or as plain lines where there is none.
    #[must_use]
    pub fn new(screen: &Screen) -> Self {
        let moving = screen.is_live();
        let wanted = if moving { Progress::Auto } else { Progress::Plain };
        Self { live: RefCell::new(screen.progress(wanted)), moving }
    }

    /// How waits of commands that `up` uses are shown.
    #[must_use]
    pub fn progress(&self) -> Progress {
        if self.moving { Progress::Auto } else { Progress::Plain }
    }

    /// Prints a line for good.
    pub fn line(&self, text: &str) {
        self.text(&format!("{text}\n"));
    }

    /// Prints text that ends its own lines.
    pub fn text(&self, text: &str) {
        let mut live = self.live.borrow_mut();
        live.lift();
        // `up` goes on where nobody reads: the cluster is what was asked for.
        let _ = print(text);
        live.put_back();
    }

    /// Prints lines for good, and a block below them in place of the last one.
    pub fn show(&self, lasting: &[String], block: Vec<String>) {
        self.live.borrow_mut().show(lasting, block);
    }

    /// Takes the block away.
    pub fn clear(&self) {
        self.live.borrow_mut().clear();
    }
}
