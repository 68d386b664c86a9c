//! What devices on hubs are to be after each step, without tables and indexes.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stands {
    Active(Option<u8>),
    Held(u8),
    Fenced(u8),
    /// By which operation, and on which day.
    Moved(Option<u8>, u64),
}

#[derive(Debug, Clone)]
pub struct Record {
    pub name: usize,
    pub device: String,
    pub hub: usize,
    pub stands: Stands,
    pub twin: Twin,
    pub queue: Vec<QueuedMessage>,
    pub events: Vec<Event>,
    pub subscriptions: Vec<Subscription>,
    /// It is not the registration's own record.
    pub apart: bool,
}

impl Record {
    pub fn left(&self) -> bool {
        matches!(self.stands, Stands::Moved(..))
    }

    fn last(&self) -> Option<u8> {
        match self.stands {
            Stands::Active(last) | Stands::Moved(last, _) => last,
            Stands::Held(by) | Stands::Fenced(by) => Some(by),
        }
    }

    fn busy(&self, by: Option<u8>) -> Option<u8> {
        match self.stands {
            Stands::Held(other) | Stands::Fenced(other) if Some(other) != by => Some(other),
            _ => None,
        }
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.events.clear();
    }
}

#[derive(Debug, PartialEq)]
pub enum Verdict {
    Done,
    NotActive,
    Conflict,
    Busy(u8),
    Taken(usize),
    Full,
}

#[derive(Default)]
pub struct Model(pub Vec<Record>);

impl Model {
    pub fn at(&self, hub: usize, device: &str) -> Option<usize> {
        self.0.iter().position(|record| record.hub == hub && record.device == device)
    }

    fn own(&self, name: usize) -> Option<usize> {
        self.0.iter().position(|record| record.name == name && !record.apart)
    }

    /// Another record under the device id must be a trace, which goes.
    fn make_room(&mut self, hub: usize, device: &str, but: Option<usize>) -> Result<(), Verdict> {
        match self.at(hub, device).filter(|at| Some(*at) != but) {
            Some(at) if self.0[at].left() => {
                self.0.remove(at);
                Ok(())
            }
            Some(at) => Err(Verdict::Taken(self.0[at].name)),
            None => Ok(()),
        }
    }

    fn leave(&mut self, at: usize, by: Option<u8>, day: u64) {
        let last = by.or(self.0[at].last());
        self.0[at].clear();
        self.0[at].subscriptions.clear();
        self.0[at].stands = Stands::Moved(last, day);
        let mut old: Vec<_> = self
            .0
            .iter()
            .filter_map(|record| match record.stands {
                Stands::Moved(_, left) if left + 30 < day => Some(left),
                _ => None,
            })
            .collect();
        old.sort();
        old.truncate(4);
        self.0.retain(|record| !matches!(record.stands, Stands::Moved(_, left) if old.contains(&left)));
    }

    fn install(&mut self, at: Option<usize>, mut new: Record) {
        let Some(at) = at else { return self.0.push(new) };
        let old = &self.0[at];
        new.apart = old.apart;
        if !old.left() && old.hub == new.hub {
            new.subscriptions = old.subscriptions.clone();
        }
        self.0[at] = new;
    }

    pub fn place(&mut self, mut new: Record, what: Placing, day: u64) -> Verdict {
        let own = self.own(new.name);
        // Placements are of operation 9, which is none of the hub port's.
        if let Some(by) = own.and_then(|own| self.0[own].busy(None)) {
            return Verdict::Busy(by);
        }
        if !matches!(what, Placing::Leave)
            && let Err(verdict) = self.make_room(new.hub, &new.device, own)
        {
            return verdict;
        }
        let own = self.own(new.name);
        match (what, own) {
            (Placing::Leave, Some(own)) => self.leave(own, None, day),
            (Placing::Leave, None) => {}
            (Placing::Carry, Some(own)) if !self.0[own].left() => {
                (self.0[own].hub, self.0[own].device) = (new.hub, new.device);
            }
            (_, own) => {
                new.stands = Stands::Active(own.and_then(|own| self.0[own].last()));
                self.install(own, new);
            }
        }
        Verdict::Done
    }

    pub fn write(&mut self, hub: usize, device: &str, what: Writing, version: u64) -> Verdict {
        let found = self.at(hub, device).filter(|at| matches!(self.0[*at].stands, Stands::Active(_)));
        let Some(at) = found else { return Verdict::NotActive };
        let record = &mut self.0[at];
        let bytes = |size: usize, text: u8| size + usize::from(text);
        match what {
            Writing::Twin(false) => return Verdict::Conflict,
            Writing::Twin(true) => record.twin = twin(version),
            Writing::Subscriptions(number) => record.subscriptions = subscriptions(number),
            Writing::Enqueue(size) => {
                let used: usize = record.queue.iter().map(|one| one.properties.len() + one.payload.len()).sum();
                if record.queue.len() == 3 || bytes(used + 9, size) > 40 {
                    return Verdict::Full;
                }
                record.queue.push(message(&"m".repeat(size.into())));
            }
            Writing::Delivered => record.queue.iter_mut().take(2).for_each(|one| one.deliveries += 1),
            Writing::Dequeue => drop(record.queue.drain(..record.queue.len().min(2))),
            Writing::Event(size) if bytes(3, size) > 30 => {}
            Writing::Event(size) => {
                let used = |events: &[Event]| -> usize {
                    events.iter().map(|one| one.properties.len() + one.payload.len()).sum()
                };
                while record.events.len() == 2 || bytes(used(&record.events) + 3, size) > 30 {
                    record.events.remove(0);
                }
                record.events.push(event(&"e".repeat(size.into())));
            }
        }
        Verdict::Done
    }

    pub fn port(&mut self, mut new: Record, by: u8, what: Porting, day: u64) -> Verdict {
        let here = self.0.iter().position(|record| record.hub == new.hub && record.name == new.name);
        let stands = here.map(|here| self.0[here].stands);
        match (what, stands) {
            (Porting::Provision, Some(Stands::Held(other))) if other == by => return Verdict::Done,
            (Porting::Provision, Some(Stands::Active(Some(last)))) if last == by => return Verdict::Done,
            (Porting::Provision, Some(Stands::Moved(Some(last), _))) if last == by => return Verdict::Conflict,
            (Porting::Provision, Some(Stands::Held(_))) => {}
            (_, Some(Stands::Held(other) | Stands::Fenced(other))) if other != by => return Verdict::Busy(other),
            _ => {}
        }
        if let Porting::Provision | Porting::Identity = what {
            if matches!(what, Porting::Identity) && (here.is_none() || matches!(stands, Some(Stands::Moved(..)))) {
                return Verdict::NotActive;
            }
            if let Err(verdict) = self.make_room(new.hub, &new.device, here) {
                return verdict;
            }
            let here = self.0.iter().position(|record| record.hub == new.hub && record.name == new.name);
            if let (Porting::Identity, Some(here)) = (what, here) {
                self.0[here].device = new.device;
                return Verdict::Done;
            }
            new.stands = Stands::Held(by);
            let own = self.own(new.name);
            new.apart = here.is_none() && own.is_some_and(|own| !self.0[own].left());
            self.install(if new.apart { None } else { here.or(own) }, new);
            return Verdict::Done;
        }
        let Some(here) = here else {
            return if matches!(what, Porting::Remove) { Verdict::Done } else { Verdict::NotActive };
        };
        match (what, self.0[here].stands) {
            (Porting::Remove, Stands::Moved(Some(last), _)) if last == by => {}
            (Porting::Remove | Porting::Fence, Stands::Active(Some(last))) if last == by => return Verdict::Conflict,
            (Porting::Remove, Stands::Active(_)) => {}
            (Porting::Remove, _) => self.leave(here, Some(by), day),
            (_, Stands::Moved(..)) => return Verdict::NotActive,
            (Porting::Fence, Stands::Active(_)) => self.0[here].stands = Stands::Fenced(by),
            (Porting::Fence, _) => {}
            (_, _) => self.0[here].stands = Stands::Active(Some(by)),
        }
        Verdict::Done
    }
}

pub fn subscriptions(number: u8) -> Vec<Subscription> {
    (0..number).map(|qos| Subscription { filter: format!("devices/{qos}"), qos: qos % 2 }).collect()
}
