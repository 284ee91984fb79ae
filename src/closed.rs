//! Closed sets of names: enums whose values each have a text, which others see in answers, logs and metrics. Each text is written only
//! once, so a misspelled use does not compile.

use std::marker::PhantomData;

/// A value of a closed set.
pub trait Closed: Copy {
    /// Returns every value, in order.
    fn all() -> impl Iterator<Item = Self>;

    /// Returns the place of the value in that order, from 0.
    fn place(self) -> usize;

    /// Returns the text that others see.
    fn text(self) -> &'static str;
}

/// One thing for each value of a closed set, such as a counter.
#[derive(Debug)]
pub struct Each<L, T> {
    things: Vec<T>,
    set: PhantomData<fn(L)>,
}

impl<L: Closed, T> Each<L, T> {
    /// Makes one thing for each value.
    pub fn new(make: impl FnMut(L) -> T) -> Self {
        Self { things: L::all().map(make).collect(), set: PhantomData }
    }

    /// Returns the thing of a value.
    pub fn of(&self, value: L) -> &T {
        &self.things[value.place()]
    }
}

/// Defines an enum from values and their texts, and implements [`Closed`] for it.
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
