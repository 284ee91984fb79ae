//! Times as microseconds since 1970, and as the providers write them.

/// Microseconds since 1970.
pub type Micros = i64;

/// One second.
pub const SECOND: Micros = 1_000_000;

/// The days from 1970 to the first of a month, by the civil calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (year, number) = (year + era * 400, if month < 10 { month + 3 } else { month - 9 });
    (if number <= 2 { year + 1 } else { year }, number, of_year - (153 * month + 2) / 5 + 1)
}

/// Writes a time with this many digits after the second, 0 to 6.
pub fn write(time: Micros, digits: usize) -> String {
    let (seconds, micros) = (time.div_euclid(SECOND), time.rem_euclid(SECOND));
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(day);
    let fraction = if digits == 0 { String::new() } else { format!(".{}", &format!("{micros:06}")[..digits]) };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Writes a time as Uploadcare does: a fraction without zeros at its end, or none.
pub fn shortest(time: Micros) -> String {
    let text = write(time, 6);
    let text = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{text}Z")
}

/// Reads a time in UTC, written with `Z` or `+00:00`, or a date.
pub fn read(text: &str) -> Option<Micros> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let day = days(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if text.len() == 10 {
        return Some(day * 86_400 * SECOND);
    }
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let rest = text.get(19..)?;
    let rest = rest.strip_suffix('Z').or_else(|| rest.strip_suffix("+00:00"))?;
    let fraction = match rest.strip_prefix('.') {
        Some(digits) if !digits.is_empty() && digits.len() <= 9 => format!("{digits:0<9}").get(..6)?.parse().ok()?,
        None if rest.is_empty() => 0,
        _ => return None,
    };
    Some((day * 86_400 + seconds) * SECOND + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        fn check(time: Micros, digits: usize, text: &str) {
            assert_eq!(write(time, digits), text);
            assert_eq!(read(text), Some(time));
        }
        check(0, 0, "1970-01-01T00:00:00Z");
        check(1_541_423_681_123_456, 6, "2018-11-05T13:14:41.123456Z");
        check(951_782_400 * SECOND, 0, "2000-02-29T00:00:00Z");
        check(-1, 6, "1969-12-31T23:59:59.999999Z");
        assert_eq!(read("2018-11-05"), Some(1_541_376_000 * SECOND));
        assert_eq!(read("2018-11-05T13:14:41.5+00:00"), Some(1_541_423_681_500_000));
        assert_eq!(shortest(1_541_423_681_123_450), "2018-11-05T13:14:41.12345Z");
        assert_eq!(shortest(1_541_423_680_000_000), "2018-11-05T13:14:40Z");
        for wrong in ["", "soon", "2018-11-05T13:14", "2018-11-05T13:14:41", "2018-11-05T13:14:41.Z"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
