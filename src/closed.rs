//! Closed sets of names: enums, each value of which has a text that others see in answers, logs and metrics. A text that is misspelled where it is
//! used does not compile, because nobody writes it a second time.

use std::marker::PhantomData;

/// A value of a closed set.
pub trait Closed: Copy {
    /// Every value, in order.
    fn all() -> impl Iterator<Item = Self>;

    /// Its place in that order, from 0.
    fn place(self) -> usize;

    /// What others see of it.
    fn text(self) -> &'static str;
}

/// One thing for each value of a set, such as a counter.
#[derive(Debug)]
pub struct Each<L, T> {
    things: Vec<T>,
    set: PhantomData<fn(L)>,
}

impl<L: Closed, T> Each<L, T> {
    /// Makes all of them.
    pub fn new(make: impl FnMut(L) -> T) -> Self {
        Self { things: L::all().map(make).collect(), set: PhantomData }
    }

    /// That of a value.
    pub fn of(&self, value: L) -> &T {
        &self.things[value.place()]
    }
}

/// Makes an enum of values and their texts, which is [`Closed`].
macro_rules! closed {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$of:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of])* $value,)+
        }

        impl $crate::closed::Closed for $name {
            fn all() -> impl Iterator<Item = Self> {
                [$(Self::$value,)+].into_iter()
            }

            fn place(self) -> usize {
                self as usize
            }

            fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }
    };
}

pub(crate) use closed;
