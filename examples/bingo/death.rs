//! How it ends, other than by a signal. None of it leaves a line in the log.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bingo_exporter::clock::Clock;
use bingo_exporter::simulate::random::Random;
use clap::ValueEnum;
use rustix::process::{Signal, getpid, kill_process};

use crate::server::Server;

/// What Go writes; the program exits with 2 afterwards.
const PANIC: &str = "\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x7c5a3e]

goroutine 1 [running]:
main.main()
\t/app/cmd/bingo/main.go:17 +0x1e
";

/// The least and the most seconds it lives.
const LIFE: (u32, u32) = (600, 1500);

/// A leak's growth, and how often it grows.
const LEAK_MIB: usize = 8;
const LEAK_EVERY: Duration = Duration::from_millis(100);

/// Ways to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Death {
    Exit,
    Error,
    Panic,
    Bad,
    Leak,
}

/// What will become of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Fate {
    /// How it dies: none, random, exit, error, panic, bad or leak
    #[arg(long, value_name = "HOW", default_value = "random", value_parser = parse_death)]
    pub(crate) death: Kind,

    /// Seconds until then, instead of 10 to 25 minutes
    #[arg(long, value_name = "SECONDS")]
    death_after: Option<u32>,

    /// Divide the 10 to 25 minutes by this
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    death_sooner: u32,

    /// What chance follows from; without it, the minute of the start: those started together die together
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Memory that a leak takes before the end
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    leak: usize,
}

/// Of a death.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    None,
    Random,
    Of(Death),
}

fn parse_death(text: &str) -> Result<Kind, String> {
    match text {
        "none" => Ok(Kind::None),
        "random" => Ok(Kind::Random),
        _ => Death::from_str(text, false)
            .map(Kind::Of)
            .map_err(|_| "expected none, random, exit, error, panic, bad or leak".to_owned()),
    }
}

impl Fate {
    /// The chance of this run.
    pub(crate) fn random(&self, clock: Clock) -> Random {
        let minute = clock.now().unix.unsigned_abs() / 60_000;
        Random::new(self.seed.unwrap_or(minute))
    }

    /// How it dies, and when; `None` for one that does not.
    pub(crate) fn foretell(&self, random: &mut Random) -> Option<(Death, Duration)> {
        let any = Death::value_variants();
        let death = match self.death {
            Kind::None => return None,
            Kind::Of(death) => death,
            Kind::Random => *any.get(random.below(any.len() as u32) as usize)?,
        };
        let millis = u64::from(random.between(LIFE.0, LIFE.1)) * 1000 / u64::from(self.death_sooner);
        let after = self
            .death_after
            .map(|seconds| Duration::from_secs(seconds.into()));
        Some((death, after.unwrap_or(Duration::from_millis(millis))))
    }
}

impl Death {
    /// The one that an operation asks for.
    pub(crate) fn of_operation(number: i64) -> Option<Self> {
        match number {
            1001 => Some(Self::Exit),
            1002 => Some(Self::Error),
            1003 => Some(Self::Panic),
            1004 => Some(Self::Bad),
            1005 => Some(Self::Leak),
            _ => None,
        }
    }

    /// Happens. Returns where it lives on: badly.
    pub(crate) async fn happen(self, server: &Server) {
        match self {
            Self::Exit => std::process::exit(0),
            Self::Error => std::process::exit(1),
            Self::Panic => {
                crate::say_on(std::io::stderr(), PANIC);
                std::process::exit(2)
            }
            Self::Bad => server.bad.store(true, Ordering::Relaxed),
            Self::Leak => leak(server.fate.leak).await,
        }
    }
}

async fn leak(mib: usize) {
    let mut leaked = Vec::new();
    while leaked.len() * LEAK_MIB < mib {
        // Written to, or the kernel would not give it.
        leaked.push(vec![1_u8; LEAK_MIB << 20]);
        tokio::time::sleep(LEAK_EVERY).await;
    }
    // As the kernel does it where memory runs out.
    let _ = kill_process(getpid(), Signal::KILL);
}
