use super::*;

#[test]
fn what_is_in_the_way_is_told_once_each() {
    fn check(states: &[(&str, SubjectState)], told: &[&str]) {
        let states = states.iter().map(|(subject, state)| ((*subject).to_owned(), state.clone())).collect();
        let obstacles = obstacles(&states);
        assert_eq!(obstacles.len(), told.len(), "{obstacles:?}");
        for (obstacle, told) in obstacles.iter().zip(told) {
            assert!(obstacle.starts_with(told), "{obstacle:?} and {told:?}");
        }
    }
    let trouble = |why: &str| SubjectState::Trouble(why.into());
    check(&[("a", SubjectState::Known { id: 1 })], &[]);
    check(
        &[("a", SubjectState::Missing), ("b", SubjectState::Known { id: 1 }), ("c", SubjectState::Missing)],
        &["2 subjects hold no schema of this version: a c; "],
    );
    check(&[("a", trouble("x")), ("b", trouble("x")), ("c", trouble("y"))], &["x", "y"]);
}
