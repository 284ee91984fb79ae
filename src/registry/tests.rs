use super::*;

#[test]
fn each_obstacle_is_named_once() {
    fn check(states: &[(&str, SubjectState)], expected: &[&str]) {
        let states = states.iter().map(|(subject, state)| ((*subject).to_owned(), state.clone())).collect();
        let obstacles = obstacles(&states);
        assert_eq!(obstacles.len(), expected.len(), "{obstacles:?}");
        for (obstacle, expected) in obstacles.iter().zip(expected) {
            assert!(obstacle.starts_with(expected), "{obstacle:?} and {expected:?}");
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
