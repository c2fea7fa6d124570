//! What happens when.

use std::fmt;

/// What goes wrong in a phase, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scene {
    /// Nobody asks yet: the nodes start.
    Quiet,
    /// All is well.
    Healthy,
    /// The database fails every third request and is slow.
    ErrorSpike,
    /// The second node answers 500 to everything, until it is restarted at the end of the phase.
    BadNode,
    /// The first node dies without a word; at the end of the phase it is started again.
    Crash,
    /// Both nodes die; at the end of the phase they are started again.
    Outage,
    /// All is well under a higher load.
    Peak,
}

/// A part of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// What happens.
    pub scene: Scene,
    /// How long.
    pub seconds: u32,
    /// Requests a second.
    pub rps: u32,
}

/// Phases one after the other; after the last, again from the one after [`Scene::Quiet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story(Vec<Phase>);

impl Story {
    /// These phases, after two quiet seconds: nodes that have not started cannot answer.
    pub fn new(phases: impl IntoIterator<Item = Phase>) -> Self {
        let start = Phase {
            scene: Scene::Quiet,
            seconds: 2,
            rps: 0,
        };
        let phases = phases.into_iter().filter(|phase| phase.seconds > 0);
        Self([start].into_iter().chain(phases).collect())
    }

    /// All is well for ever.
    pub fn steady(rps: u32) -> Self {
        Self::new([Phase {
            scene: Scene::Healthy,
            seconds: 3600,
            rps,
        }])
    }

    /// Everything an operator should have seen, within five minutes.
    pub fn demo(rps: u32) -> Self {
        let phase = |scene, seconds, rps| Phase { scene, seconds, rps };
        Self::new([
            phase(Scene::Healthy, 43, rps),
            phase(Scene::ErrorSpike, 30, rps),
            phase(Scene::Healthy, 30, rps),
            phase(Scene::BadNode, 40, rps),
            phase(Scene::Healthy, 20, rps),
            phase(Scene::Crash, 30, rps),
            phase(Scene::Healthy, 15, rps),
            phase(Scene::Peak, 60, rps.saturating_mul(2)),
            phase(Scene::Healthy, 30, rps),
        ])
    }

    /// The phase of a number, which goes on counting when the story begins again.
    pub fn phase(&self, number: usize) -> Phase {
        let again = self.0.len().saturating_sub(1).max(1);
        let index = match number.checked_sub(1) {
            Some(later) if self.0.len() > 1 => 1 + later % again,
            _ => 0,
        };
        self.0[index]
    }

    /// The phases with the second each begins at, and the second at which the story begins again.
    pub fn timeline(&self) -> (Vec<(u32, Phase)>, u32) {
        let mut at = 0;
        let begins = self.0.iter().map(|phase| {
            let begin = at;
            at += phase.seconds;
            (begin, *phase)
        });
        (begins.collect(), at)
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quiet => "both nodes start",
            Self::Healthy => "healthy",
            Self::ErrorSpike => "error spike: the database fails every third request and is slow",
            Self::BadNode => "bad node: the second node answers 500 to everything, then it is restarted",
            Self::Crash => "crash: the first node dies without a word, then it is started again",
            Self::Outage => "outage: both nodes die, then they are started again",
            Self::Peak => "peak",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_shows_everything_in_five_minutes_and_then_again() {
        let story = Story::demo(60);
        let (timeline, again) = story.timeline();
        assert_eq!(again, 300);
        for scene in [Scene::ErrorSpike, Scene::BadNode, Scene::Crash, Scene::Peak] {
            assert_eq!(
                timeline.iter().filter(|(_, phase)| phase.scene == scene).count(),
                1
            );
        }
        for (number, (_, phase)) in timeline.iter().enumerate() {
            assert_eq!(story.phase(number), *phase);
        }
        assert_eq!(story.phase(timeline.len()), timeline[1].1);
        assert_eq!(story.phase(2 * timeline.len() - 1), timeline[1].1);
        assert!(
            timeline
                .iter()
                .skip(1)
                .all(|(_, phase)| phase.rps == 60 || phase.scene == Scene::Peak)
        );
    }

    #[test]
    fn a_story_of_nothing_stays_quiet() {
        assert_eq!(Story::new([]).phase(7).scene, Scene::Quiet);
        assert_eq!(Story::steady(5).phase(7).rps, 5);
    }
}
