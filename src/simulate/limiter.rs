//! bingo's limiter: 100 requests a second, in portions. A request over the portion waits; one that saw two new
//! portions go to others is refused.

use std::collections::VecDeque;

use crate::record::UnixMillis;

/// How often the quota is renewed.
pub const TICK: UnixMillis = 50;

/// Requests between two ticks.
pub const QUOTA: u32 = 5;

/// Ticks that a request waits for.
const PATIENCE: u32 = 2;

/// The quota, and who waits for it. `W` stands for a waiting request.
#[derive(Debug, Clone)]
pub struct Limiter<W> {
    left: u32,
    /// In order of arrival, with the ticks each has seen: fewer than [`PATIENCE`].
    waiting: VecDeque<(W, u32)>,
}

/// What became of those that waited, in order of arrival.
#[derive(Debug)]
pub struct Ticked<W> {
    /// May go on.
    pub admitted: Vec<W>,
    /// `Too many requests`.
    pub refused: Vec<W>,
}

impl<W> Default for Limiter<W> {
    fn default() -> Self {
        Self {
            left: QUOTA,
            waiting: VecDeque::new(),
        }
    }
}

impl<W> Limiter<W> {
    /// Gives the request back where it may go on at once, else keeps it until a tick.
    pub fn ask(&mut self, request: W) -> Option<W> {
        if self.left == 0 {
            self.waiting.push_back((request, 0));
            return None;
        }
        self.left -= 1;
        Some(request)
    }

    /// Renews the quota.
    pub fn tick(&mut self) -> Ticked<W> {
        self.left = QUOTA;
        let mut ticked = Ticked {
            admitted: Vec::new(),
            refused: Vec::new(),
        };
        for (request, seen) in std::mem::take(&mut self.waiting) {
            if self.left > 0 {
                self.left -= 1;
                ticked.admitted.push(request);
            } else if seen + 1 == PATIENCE {
                ticked.refused.push(request);
            } else {
                self.waiting.push_back((request, seen + 1));
            }
        }
        ticked
    }

    /// Takes everyone who waits: the node died.
    pub fn abandon(&mut self) -> Vec<W> {
        self.waiting.drain(..).map(|(request, _)| request).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_go_five_wait_a_tick_five_two_and_the_rest_is_refused() {
        let mut limiter = Limiter::default();
        let at_once: Vec<_> = (0..20).filter_map(|request| limiter.ask(request)).collect();
        assert_eq!(at_once, [0, 1, 2, 3, 4]);
        let first = limiter.tick();
        assert_eq!(first.admitted, [5, 6, 7, 8, 9]);
        assert!(first.refused.is_empty());
        assert_eq!(
            limiter.ask(20),
            None,
            "a tick's quota goes to those who waited first"
        );
        let second = limiter.tick();
        assert_eq!(second.admitted, [10, 11, 12, 13, 14]);
        assert_eq!(second.refused, [15, 16, 17, 18, 19]);
        assert_eq!(limiter.tick().admitted, [20]);
        assert_eq!(limiter.ask(21), Some(21));
        assert!(limiter.abandon().is_empty());
    }

    #[test]
    fn a_hundred_a_second_pass() {
        let mut limiter = Limiter::default();
        let mut passed = 0;
        for request in 0..1000 {
            passed += limiter.ask(request).iter().len();
            if request % 50 == 49 {
                passed += limiter.tick().admitted.len();
            }
        }
        assert_eq!(passed, 5 + 20 * 5, "a second's, and the portion it began with");
    }
}
