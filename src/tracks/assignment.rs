//! The cheapest pairing of faces with tracks: the Hungarian method in its
//! O(n³) form with potentials.

/// For each row the column that is paired with it so that the total cost is
/// least. Pairs that cost `limit` or more are left out.
pub(crate) fn assign(costs: &[Vec<f32>], limit: f32) -> Vec<Option<usize>> {
    let rows = costs.len();
    let columns = costs.first().map_or(0, Vec::len);
    let side = rows.max(columns);
    // A square matrix: what is missing or too dear costs the limit, so that leaving
    // a face alone is always a choice.
    let cost = |row: usize, column: usize| {
        let given = costs.get(row).and_then(|costs| costs.get(column)).copied();
        f64::from(given.unwrap_or(limit).min(limit))
    };
    let mut row_of = vec![usize::MAX; side];
    let (mut u, mut v) = (vec![0.0; side], vec![0.0; side]);
    for row in 0..side {
        augment(row, side, &cost, &mut row_of, &mut u, &mut v);
    }
    let mut column_of = vec![None; rows];
    for (column, &row) in row_of.iter().enumerate() {
        if row < rows && column < columns && costs[row][column] < limit {
            column_of[row] = Some(column);
        }
    }
    column_of
}

/// Finds a shortest augmenting path from a free `row` and pairs along it.
fn augment(
    row: usize,
    side: usize,
    cost: &impl Fn(usize, usize) -> f64,
    row_of: &mut [usize],
    u: &mut [f64],
    v: &mut [f64],
) {
    let mut shortest = vec![f64::INFINITY; side];
    let mut from = vec![usize::MAX; side];
    let mut done = vec![false; side];
    let (mut current, mut last) = (row, usize::MAX);
    loop {
        let (mut delta, mut next) = (f64::INFINITY, 0);
        for column in (0..side).filter(|column| !done[*column]) {
            let reduced = cost(current, column) - u[current] - v[column];
            if reduced < shortest[column] {
                shortest[column] = reduced;
                from[column] = last;
            }
            if shortest[column] < delta {
                delta = shortest[column];
                next = column;
            }
        }
        u[row] += delta;
        for column in 0..side {
            if done[column] {
                u[row_of[column]] += delta;
                v[column] -= delta;
            } else {
                shortest[column] -= delta;
            }
        }
        done[next] = true;
        last = next;
        if row_of[next] == usize::MAX {
            break;
        }
        current = row_of[next];
    }
    while last != usize::MAX {
        let before = from[last];
        row_of[last] = if before == usize::MAX { row } else { row_of[before] };
        last = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(costs: &[Vec<f32>], chosen: &[Option<usize>], limit: f32) -> f32 {
        let pairs = chosen.iter().enumerate().map(|(r, c)| c.map_or(limit, |c| costs[r][c]));
        pairs.sum()
    }

    /// Every way to pair, tried.
    fn least(costs: &[Vec<f32>], row: usize, used: &mut Vec<bool>, limit: f32) -> f32 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = limit + least(costs, row + 1, used, limit);
        for column in 0..used.len() {
            if !used[column] && costs[row][column] < limit {
                used[column] = true;
                best = best.min(costs[row][column] + least(costs, row + 1, used, limit));
                used[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_pairing_is_cheaper(
            rows in 0usize..5, columns in 0usize..5,
            values in proptest::collection::vec(0u8..100, 25),
        ) {
            let cost = |r: usize, c: usize| f32::from(values[r * 5 + c]) / 100.0;
            let costs: Vec<Vec<f32>> =
                (0..rows).map(|r| (0..columns).map(|c| cost(r, c)).collect()).collect();
            let chosen = assign(&costs, 0.8);
            let mut taken: Vec<_> = chosen.iter().flatten().collect();
            taken.sort();
            taken.dedup();
            prop_assert_eq!(taken.len(), chosen.iter().flatten().count());
            let best = least(&costs, 0, &mut vec![false; columns], 0.8);
            prop_assert!((total(&costs, &chosen, 0.8) - best).abs() < 1e-4);
        }
    }
}
